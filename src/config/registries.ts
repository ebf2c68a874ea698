import { Secret } from "../core/secret.ts";
import { foundText } from "./messages.ts";
import { explainFetchFailure, fetchBounded } from "./sources/files.ts";
import {
  askInTime,
  checkTimeout,
  type ServiceConfig,
  type ServiceRegistry,
  type ServiceRequest,
} from "./sources/registry.ts";

/** How {@linkcode HttpServiceRegistry} asks. */
export interface HttpServiceRegistryOptions {
  /** Address of the registry, such as `http://consul:8500`. */
  url: string | URL;
  /** Access token, sent as `X-Consul-Token`. */
  token?: string | Secret;
  /** Only instances with this tag, such as `primary`. */
  tag?: string;
  /** Datacenter to ask; the registry's own by default. */
  datacenter?: string;
  /** Milliseconds to wait for the answer, from 1. Default 2,000. */
  timeoutMs?: number;
}

/** Milliseconds to wait for an answer by default. */
const DEFAULT_TIMEOUT_MS = 2000;
/** Most bytes of an answer. */
const MAX_ANSWER_BYTES = 1_048_576;

/** A message of ours: holds nothing that the registry sent. */
class RegistryProblem extends Error {}

/**
 * Finds services by an HTTP registry in the shape of Consul's health endpoint,
 * `/v1/health/service/<name>?passing`: the first instance that is healthy.
 *
 * @example Usage
 * ```ts no-eval
 * import { HttpServiceRegistry, RedisConfigLoader } from "@mooring/redis/config";
 *
 * const registry = new HttpServiceRegistry({ url: "http://consul:8500", tag: "primary" });
 * const config = await RedisConfigLoader.load({ registry });
 * ```
 */
export class HttpServiceRegistry implements ServiceRegistry {
  /** What errors and `explain` call it. */
  readonly label: string;
  readonly #base: URL;
  readonly #token: Secret | undefined;
  readonly #query: URLSearchParams;
  readonly #timeoutMs: number;

  /**
   * Makes the registry; nothing is asked yet.
   *
   * @param options Where it is, and how to ask.
   * @throws {TypeError} If the address is no `http:` or `https:` URL.
   * @throws {RangeError} If the timeout is not a number of milliseconds from 1.
   */
  constructor(options: HttpServiceRegistryOptions) {
    const { url, token, tag, datacenter, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    const base = URL.parse(String(url));
    if (base === null || !/^https?:$/.test(base.protocol)) {
      throw new TypeError(
        "Cannot use a service registry as its url must be http or https",
      );
    }
    this.#base = base;
    this.#token = typeof token === "string" ? new Secret(token) : token;
    this.#query = new URLSearchParams({ passing: "true" });
    if (tag !== undefined) this.#query.set("tag", tag);
    if (datacenter !== undefined) this.#query.set("dc", datacenter);
    this.#timeoutMs = checkTimeout(timeoutMs);
    this.label = `registry ${base.origin}`;
  }

  /**
   * Finds a service.
   *
   * @param name The service's name, such as `redis`.
   * @param request How it is asked.
   * @returns Where it lives; `undefined` when no instance is healthy.
   * @throws {ConfigError} If the registry does not answer in time, or not usably.
   */
  async getServiceConfig(
    name: string,
    request: ServiceRequest = {},
  ): Promise<ServiceConfig | undefined> {
    return await askInTime(
      { label: this.label, timeoutMs: this.#timeoutMs, signal: request.signal },
      async (signal) => {
        const [first] = await this.#ask(name, signal);
        return first === undefined ? undefined : serviceOf(first);
      },
      (error) =>
        error instanceof RegistryProblem
          ? error.message
          : explainFetchFailure(error, this.#base, "the registry"),
      `cannot ask for service ${JSON.stringify(name)}: `,
    );
  }

  async #ask(name: string, signal: AbortSignal): Promise<unknown[]> {
    const base = this.#base.href.replace(/[?#].*$/, "").replace(/\/$/, "");
    const url = `${base}/v1/health/service/${encodeURIComponent(name)}?${this.#query}`;
    const headers = new Headers({ accept: "application/json" });
    if (this.#token !== undefined) {
      headers.set("x-consul-token", await this.#token.reveal());
    }
    // A token must not follow a redirect to somewhere else.
    const { status, body } = await fetchBounded(new URL(url), {
      headers,
      signal,
      redirect: "error",
      maxBytes: MAX_ANSWER_BYTES,
    });
    if (body.kind === "text") return parseAnswer(body.text);
    const reason = "message" in body ? body.message : body.kind;
    throw new RegistryProblem(
      status === 200 ? `the answer cannot be read: ${reason}` : reason,
    );
  }
}

function parseAnswer(text: string): unknown[] {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new RegistryProblem("the answer is not JSON");
  }
  if (Array.isArray(answer)) return answer;
  throw new RegistryProblem(`the answer is ${foundText(answer)}, allowed: a list`);
}

/** The address of an instance: its own, or else that of its node. */
function serviceOf(instance: unknown): ServiceConfig {
  const service = member(instance, "Service");
  const host = member(service, "Address") || member(member(instance, "Node"), "Address");
  const port = member(service, "Port");
  if (typeof host === "string" && host !== "" && typeof port === "number") {
    return { host, port };
  }
  throw new RegistryProblem("the answer's first instance has no Address and Port");
}

function member(value: unknown, name: string): unknown {
  return new Map(Object.entries(value ?? {})).get(name);
}

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
    const nameServer = this.#nameServer && { nameServer: this.#nameServer };
    const found = await askInTime(
      { label: this.label, timeoutMs: this.#timeoutMs, signal: request.signal },
      (signal) =>
        Deno.resolveDns(record, "SRV", { ...nameServer, signal }).catch((error) => {
          if (error instanceof Deno.errors.NotFound) return [];
          throw error;
        }),
      (error) => {
        if (error instanceof Deno.errors.NotCapable) {
          return "network access is not allowed; run with --allow-net";
        }
        return error instanceof Error ? error.name : "unknown reason";
      },
      `cannot resolve SRV ${record}: `,
    );
    const chosen = chooseRecord(found, this.#random());
    if (chosen === undefined) return undefined;
    return { host: chosen.target.replace(/\.$/, ""), port: chosen.port };
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
