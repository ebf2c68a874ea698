/** Advice that fits most failures to connect. */
export const REACH = "check that the server runs, its host, port and firewall";

/** What to do, by the reason of the failure; the first that fits. Reasons that may name
 * hosts come first: a host may be called anything. */
const ADVICE: readonly (readonly [reason: RegExp, advice: string])[] = [
  [/no sentinel could/, "check sentinel_name and nodes, and that the sentinels run"],
  [
    /ENOTFOUND|dns|lookup|unknown host|the resolver/i,
    "check the host's name and its DNS",
  ],
  [/not a Redis server/, "check host and port: something else listens there"],
  [/speaks no TLS/, "switch TLS off (tls.enabled: false, redis://), or use the TLS port"],
  [/speaks TLS/, "switch TLS on (tls.enabled: true, rediss://), or use the plain port"],
  [/cannot read the file|may not read/, "check the files of tls"],
  [
    /certificate|TLS|SSL|CERT_|SELF_SIGNED/i,
    "check tls.ca_file, tls.server_name and the server's certificate",
  ],
  [
    /max number of clients/i,
    "the server is full: raise maxclients, or close what is not used",
  ],
  [
    /DB index is out of range/,
    "check db, and the server's setting databases (in a cluster: cluster-databases)",
  ],
  [/NOPERM/, "allow it for this user: ACL SETUSER"],
  [/slots|cluster/i, "check mode and nodes: mode cluster is for servers of a cluster"],
  [
    // Deno 2.8 says UNKNOWN for EPIPE.
    /EPIPE|ECONNRESET|write UNKNOWN|was closed|connection (?:was lost|reset)/i,
    "something took the connection and ended it: does it want TLS (tls.enabled, rediss://)?",
  ],
];

/** The reason in a message that begins with database, endpoint, attempts and time. */
const REASON = /^Cannot connect .*? after \d+ attempts?(?: in \d+ ms)?: (.*)$/s;

/**
 * What to do about a failure to connect; it is for people, nothing depends on it.
 *
 * @param message What the failure says.
 * @returns The advice.
 */
export function adviceFor(message: string): string {
  const reason = REASON.exec(message)?.[1] ?? message;
  return ADVICE.find(([says]) => says.test(reason))?.[1] ?? REACH;
}
