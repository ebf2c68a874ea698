import { ConfigError } from "../../core/errors/config.ts";
import { isTimeout, withDeadline } from "../sources/files.ts";
import {
  checkTimeout,
  type ServiceConfig,
  type ServiceRegistry,
  type ServiceRequest,
} from "../sources/registry.ts";

/** How {@linkcode DnsServiceRegistry} asks. */
export interface DnsServiceRegistryOptions {
  /** Domain of the services: `redis` is asked for as `_redis._tcp.<domain>`. */
  domain: string;
  /** The DNS server to ask; the system's by default. Port 53 by default. */
  nameServer?: { ipAddr: string; port?: number };
  /** Milliseconds to wait for the answer, from 1. Default 2,000. */
  timeoutMs?: number;
  /** Gives a number from 0 to below 1; decides between equal records. */
  random?: () => number;
}

/** Milliseconds to wait for an answer by default. */
const DEFAULT_TIMEOUT_MS = 2000;

/**
 * Finds services by their DNS SRV records (RFC 2782): of those with the lowest priority,
 * one by weight.
 *
 * @example Usage
 * ```ts no-eval
 * import { DnsServiceRegistry, RedisConfigLoader } from "@mooring/redis/config";
 *
 * const registry = new DnsServiceRegistry({ domain: "service.consul" });
 * const config = await RedisConfigLoader.load({ registry });
 * ```
 */
export class DnsServiceRegistry implements ServiceRegistry {
  /** What errors and `explain` call it. */
  readonly label: string;
  readonly #domain: string;
  readonly #nameServer: { ipAddr: string; port?: number } | undefined;
  readonly #timeoutMs: number;
  readonly #random: () => number;

  /**
   * Makes the registry; nothing is asked yet.
   *
   * @param options Which domain, which server, how long to wait.
   * @throws {RangeError} If the timeout is not a number of milliseconds from 1.
   */
  constructor(options: DnsServiceRegistryOptions) {
    const { domain, nameServer, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    this.#domain = domain.replace(/^\.|\.$/g, "");
    this.#nameServer = nameServer;
    this.#timeoutMs = checkTimeout(timeoutMs);
    this.#random = options.random ?? Math.random;
    this.label = `registry dns ${this.#domain}`;
  }

  /**
   * Finds a service.
   *
   * @param name The service's name, such as `redis`.
   * @param request How it is asked.
   * @returns Where it lives; `undefined` when DNS knows no such record.
   * @throws {ConfigError} If the server does not answer in time, or not at all.
   */
  async getServiceConfig(
    name: string,
    request: ServiceRequest = {},
  ): Promise<ServiceConfig | undefined> {
    const record = `_${name}._tcp.${this.#domain}`;
    const found = await this.#resolve(record, request.signal);
    const chosen = chooseRecord(found, this.#random());
    if (chosen === undefined) return undefined;
    return { host: chosen.target.replace(/\.$/, ""), port: chosen.port };
  }

  async #resolve(record: string, signal?: AbortSignal): Promise<Deno.SrvRecord[]> {
    const query = (signal: AbortSignal) =>
      Deno.resolveDns(record, "SRV", {
        ...(this.#nameServer === undefined ? {} : { nameServer: this.#nameServer }),
        signal,
      });
    try {
      return await withDeadline(query, this.#timeoutMs, signal);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      const message = `cannot resolve SRV ${record}: ${this.#reason(error)}`;
      throw new ConfigError([{ origin: this.label, key: "", message }]);
    }
  }

  #reason(error: unknown): string {
    if (error instanceof Deno.errors.NotCapable) {
      return "network access is not allowed; run with --allow-net";
    }
    if (isTimeout(error)) return `no answer within ${this.#timeoutMs} ms`;
    return error instanceof Error ? error.name : "unknown reason";
  }
}

/**
 * Chooses a record by RFC 2782: of those with the lowest priority one by weight. A target
 * of `.` means that the service does not exist.
 *
 * @param random A number from 0 to below 1.
 */
export function chooseRecord(
  records: readonly Deno.SrvRecord[],
  random: number,
): Deno.SrvRecord | undefined {
  const usable = records.filter(({ target }) => target !== "." && target !== "");
  const lowest = Math.min(...usable.map(({ priority }) => priority));
  const first = usable.filter(({ priority }) => priority === lowest)
    .toSorted((a, b) => a.weight - b.weight);
  const total = first.reduce((sum, { weight }) => sum + weight, 0);
  let left = random * total;
  for (const record of first) {
    left -= record.weight;
    if (left < 0) return record;
  }
  return first.at(-1);
}
