/**
 * Throw-away certificates, good and bad, made by `openssl` when a test needs them.
 *
 * @module
 */

import type { RedisServerTls } from "../../src/testing/redis_config.ts";

/** What a certificate says. */
export interface CertificateOptions {
  /** Host names and IPv4 addresses it is for. Default: `localhost` and `127.0.0.1`. */
  hosts?: readonly string[];
  /** First moment of its life. Default: an hour ago. */
  notBefore?: Date;
  /** Last moment of its life. Default: in a day. */
  notAfter?: Date;
}

const HOUR_MS = 3_600_000;

/**
 * A certificate authority in a temporary folder.
 *
 * @example
 * ```ts
 * await using authority = await TlsAuthority.create();
 * await using server = await RedisServer.start({ tls: await authority.issue() });
 * const conn = await Deno.connectTls({
 *   hostname: "localhost",
 *   port: server.port,
 *   caCerts: [await Deno.readTextFile(authority.caFile)],
 * });
 * ```
 */
export class TlsAuthority implements AsyncDisposable {
  /** The authority's own certificate. */
  readonly caFile: string;
  readonly #dir: string;
  #issued = 0;

  private constructor(dir: string) {
    this.#dir = dir;
    this.caFile = `${dir}/ca.crt`;
  }

  /**
   * Makes an authority.
   *
   * @throws {Error} If there is no `openssl` on PATH, or it fails.
   */
  static async create(): Promise<TlsAuthority> {
    const dir = await Deno.makeTempDir({ prefix: "mooring-tls-" });
    const authority = new TlsAuthority(dir);
    try {
      await authority.#found();
      return authority;
    } catch (error) {
      await authority[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A new key and a certificate of this authority for it; servers and clients take it. */
  async issue(options: CertificateOptions = {}): Promise<RedisServerTls> {
    const name = `${this.#dir}/${++this.#issued}`;
    const files = {
      caFile: this.caFile,
      certFile: `${name}.crt`,
      keyFile: `${name}.key`,
    };
    const { hosts = ["localhost", "127.0.0.1"] } = options;
    const now = Date.now();
    await Deno.writeTextFile(`${name}.ext`, extensions(hosts));
    await Deno.writeTextFile(`${name}.index`, "");
    await Deno.writeTextFile(`${name}.cnf`, configuration(`${name}.index`, this.#dir));
    await openssl(
      ...["req", "-new", "-nodes", ...newKey(files.keyFile)],
      ...["-subj", "/CN=mooring test", "-out", `${name}.csr`],
    );
    await openssl(
      ...["ca", "-batch", "-notext", "-config", `${name}.cnf`, "-in", `${name}.csr`],
      ...["-cert", this.caFile, "-keyfile", this.#caKeyFile, "-extfile", `${name}.ext`],
      ...["-startdate", asn1Time(options.notBefore ?? new Date(now - HOUR_MS))],
      ...["-enddate", asn1Time(options.notAfter ?? new Date(now + 24 * HOUR_MS))],
      ...["-out", files.certFile],
    );
    return files;
  }

  /** Removes all files. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#dir, { recursive: true });
  }

  get #caKeyFile(): string {
    return `${this.#dir}/ca.key`;
  }

  async #found(): Promise<void> {
    const config = `${this.#dir}/ca.cnf`;
    await Deno.writeTextFile(
      config,
      "[req]\ndistinguished_name = name\nx509_extensions = ca\n[name]\n" +
        "[ca]\nbasicConstraints = critical, CA:TRUE\nsubjectKeyIdentifier = hash\n" +
        "keyUsage = critical, keyCertSign, cRLSign\n",
    );
    await openssl(
      ...["req", "-x509", "-nodes", "-days", "2", "-config", config],
      ...newKey(this.#caKeyFile),
      ...["-subj", `/CN=mooring test authority ${crypto.randomUUID()}`],
      ...["-out", this.caFile],
    );
  }
}

/** One authority's certificates for each case that a TLS client must tell apart. */
export interface TlsCases extends AsyncDisposable {
  /** The certificate of the authority that the client is to trust. */
  caFile: string;
  /** Right in every respect. */
  good: RedisServerTls;
  /** Over since yesterday. */
  expired: RedisServerTls;
  /** Valid from tomorrow on. */
  notYetValid: RedisServerTls;
  /** For `elsewhere.example`. */
  wrongHost: RedisServerTls;
  /** Right, but of an authority that nobody trusts. */
  unknownAuthority: RedisServerTls;
  /** For a client that must show a certificate. */
  client: RedisServerTls;
}

/** Makes all {@linkcode TlsCases}. */
export async function makeTlsCases(): Promise<TlsCases> {
  await using stack = new AsyncDisposableStack();
  const authority = stack.use(await TlsAuthority.create());
  const stranger = stack.use(await TlsAuthority.create());
  const now = Date.now();
  const [yesterday, tomorrow] = [-24, 24].map((hours) => new Date(now + hours * HOUR_MS));
  const cases = {
    caFile: authority.caFile,
    good: await authority.issue(),
    expired: await authority.issue({
      notBefore: new Date(now - 48 * HOUR_MS),
      notAfter: yesterday,
    }),
    notYetValid: await authority.issue({
      notBefore: tomorrow,
      notAfter: new Date(now + 48 * HOUR_MS),
    }),
    wrongHost: await authority.issue({ hosts: ["elsewhere.example"] }),
    unknownAuthority: await stranger.issue(),
    client: await authority.issue({ hosts: ["client"] }),
  };
  const files = stack.move();
  return { ...cases, [Symbol.asyncDispose]: () => files.disposeAsync() };
}

function newKey(keyFile: string): string[] {
  return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", keyFile];
}

function extensions(hosts: readonly string[]): string {
  const names = hosts.map((host) => /^[\d.]+$/.test(host) ? `IP:${host}` : `DNS:${host}`);
  return `subjectAltName = ${names.join(", ")}
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
`;
}

// Of openssl's commands only `ca` takes both dates, in every version that is around.
function configuration(index: string, dir: string): string {
  return `[ca]
default_ca = authority
[authority]
database = ${index}
new_certs_dir = ${dir}
default_md = sha256
rand_serial = yes
policy = names
[names]
commonName = supplied
`;
}

/** `YYYYMMDDhhmmssZ`. */
function asn1Time(date: Date): string {
  return date.toISOString().replace(/\.\d+/, "").replace(/[-:T]/g, "");
}

async function openssl(...args: string[]): Promise<void> {
  const command = new Deno.Command("openssl", {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  });
  const { success, stderr } = await command.output().catch((cause) => {
    throw new Error("Cannot make certificates: install openssl", { cause });
  });
  if (success) return;
  throw new Error(
    `openssl ${args[0]} failed: ${new TextDecoder().decode(stderr).trim()}`,
  );
}
