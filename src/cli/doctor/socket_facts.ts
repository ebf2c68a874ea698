import type { ConnectionDetails, RedisConfig } from "../../../mod.ts";
import type { Verdict } from "./server_facts.ts";

/** What the doctor needs to know of a connection. */
export type SocketFacts = Pick<
  ConnectionDetails,
  "endpoint" | "keepalive" | "kernelKeepalive" | "tls"
>;

/** A certificate that is over sooner than this deserves a look, in days. */
const RENEW_DAYS = 14;
const DAY_MS = 86_400_000;

/** Hosts that are this machine: what goes there is on no wire. */
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|::1)$/;

/** The host of an endpoint in words. */
function hostOf(endpoint: string): string {
  return endpoint.slice(0, endpoint.lastIndexOf(":")).replace(/^\[(.*)\]$/, "$1");
}

/**
 * Judges how a connection is secured.
 *
 * @param config The database.
 * @param socket What its connection says.
 * @param now The time, in milliseconds since the epoch.
 * @returns The verdict.
 */
export function judgeTls(
  config: RedisConfig,
  { endpoint, tls: session }: SocketFacts,
  now: number,
): Verdict {
  const { mode, password, tls, unixSocket } = config;
  if (session === null) {
    const host = mode === "standalone" ? config.host : hostOf(endpoint);
    const isLocal = unixSocket !== undefined || LOOPBACK.test(host);
    if (isLocal || password === undefined) {
      return { status: "skip", message: "TLS is not asked for" };
    }
    return {
      status: "warn",
      message: `the password goes to ${host} without TLS`,
      advice:
        "use rediss:// or tls.enabled, or take the line as it is in a closed network",
    };
  }
  const { cipher, expiresAt, protocol } = session;
  const unknown = "the runtime does not tell version and cipher";
  const spoken = protocol === null ? `TLS; ${unknown}` : `${protocol}, ${cipher}`;
  if (!tls.verify) {
    return {
      status: "warn",
      message: `${spoken}; the server's certificate is not verified`,
      advice: "anybody between may read along: set tls.ca_file, drop tls.verify",
    };
  }
  if (expiresAt === null) return { status: "ok", message: spoken };
  const days = Math.floor((Date.parse(expiresAt) - now) / DAY_MS);
  const message = `${spoken}; the certificate ends in ${days} days, ${expiresAt}`;
  return days < RENEW_DAYS
    ? { status: "warn", message, advice: "renew the server's certificate" }
    : { status: "ok", message };
}

/**
 * Judges who notices that a server is gone without a word.
 *
 * @param config The database.
 * @param socket What its connection says.
 * @returns The verdict.
 */
export function judgeKeepalive(config: RedisConfig, socket: SocketFacts): Verdict {
  const { healthCheckIntervalMs, socketKeepalive, unixSocket } = config;
  if (unixSocket !== undefined) {
    return { status: "skip", message: "a Unix socket needs none" };
  }
  if (socket.keepalive === "heartbeat") {
    const why = socketKeepalive
      ? "this runtime sets none"
      : "it is off (socket_keepalive)";
    if (healthCheckIntervalMs > 0) {
      const seconds = healthCheckIntervalMs / 1000;
      return { status: "ok", message: `${why}; a heartbeat asks every ${seconds} s` };
    }
    return {
      status: "warn",
      message:
        `${why}, and there is no heartbeat: a dead idle connection stays unnoticed`,
      advice: "set health_check_interval, or socket_keepalive",
    };
  }
  return judgeKernel(config, socket);
}

/** Whether the kernel has what the configuration says, as far as it can be known. */
function judgeKernel(
  { socketKeepaliveOptions: { count, idleMs, intervalMs } }: RedisConfig,
  { keepalive, kernelKeepalive: kernel }: SocketFacts,
): Verdict {
  const tier = `tier ${keepalive}`;
  const rest = "the kernel's defaults, as sysctl net.ipv4.tcp_keepalive_* says";
  if (kernel === null) {
    const message = keepalive === "idle"
      ? `${tier}: idle ${idleMs / 1000} s; interval and count are ${rest}`
      : `${tier}: all times are ${rest}`;
    return { status: "ok", message };
  }
  const { idleSeconds, intervalSeconds, isOn } = kernel;
  const message = `${tier}: the kernel has idle ${idleSeconds} s, interval ` +
    `${intervalSeconds} s, count ${kernel.count}`;
  const isAsked = isOn && kernel.count === count &&
    idleSeconds === Math.round(idleMs / 1000) &&
    intervalSeconds === Math.round(intervalMs / 1000);
  if (isAsked) return { status: "ok", message };
  return {
    status: "warn",
    message: `${message}, and not what is configured`,
    advice: "look for what else sets options of this process's sockets",
  };
}
