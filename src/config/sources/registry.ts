import { ConfigError } from "../../core/errors/base.ts";
import { Layer } from "../layer.ts";
import { foundText } from "../messages.ts";
import { readOptions } from "../read_document.ts";
import { isTimeout, withDeadline } from "./files.ts";

/** Where a service lives, as a registry knows it. */
export interface ServiceConfig {
  /** Host name or address. */
  readonly host: string;
  /** TCP port, 1 to 65535. */
  readonly port: number;
  /** ACL user, where the registry knows one. */
  readonly username?: string;
  /** Password, where the registry knows one. */
  readonly password?: string;
}

/** The answer of a registry: nothing if it does not know the service. */
type ServiceAnswer = ServiceConfig | undefined | null;

/** How a registry is asked. */
export interface ServiceRequest {
  /** Aborted when the answer is not waited for any longer. */
  readonly signal?: AbortSignal;
}

/**
 * Knows where services live. Configuration asks it for `redis`; what it answers is used
 * for settings that neither code, environment nor YAML give.
 *
 * @example Usage
 * ```ts
 * import { RedisConfigLoader, type ServiceRegistry } from "@mooring/redis/config";
 * import { assertEquals } from "@std/assert";
 *
 * const registry: ServiceRegistry = {
 *   getServiceConfig: (name) =>
 *     name === "redis" ? { host: "10.0.0.7", port: 6380 } : undefined,
 * };
 * const config = await RedisConfigLoader.load({ yamlText: "", env: {}, registry });
 * assertEquals(config.databases.main.port, 6380);
 * ```
 */
export interface ServiceRegistry {
  /** What errors and `explain` call it; `service registry` by default. */
  readonly label?: string;
  /**
   * Finds a service.
   *
   * @param name The service's name.
   * @param request How it is asked.
   * @returns Where the service is, at once or later; nothing if it is not known.
   */
  getServiceConfig(
    name: string,
    request?: ServiceRequest,
  ): ServiceConfig | undefined | null | Promise<ServiceConfig | undefined | null>;
}

/** The service that configuration asks for. */
const SERVICE = "redis";

const DEFAULT_TIMEOUT_MS = 3000;

/** The settings that count in an answer; registries give more than these. */
const USED = ["host", "port", "username", "password"] as const;

/**
 * Asks a registry. If it fails, is late or has no answer, the service can start all the
 * same: the layer is empty then, with a warning.
 */
export async function askRegistry(
  registry: ServiceRegistry,
  timeoutMs?: number,
): Promise<Layer> {
  try {
    return await askStrictly(registry, timeoutMs);
  } catch (error) {
    return withoutAnswer(registry, reasonOf(error));
  }
}

/**
 * Asks a registry, and fails if it fails.
 *
 * @throws {ConfigError} If the registry fails or does not answer in time.
 */
export async function askStrictly(
  registry: ServiceRegistry,
  timeoutMs: number = DEFAULT_TIMEOUT_MS,
): Promise<Layer> {
  checkTimeout(timeoutMs);
  const answer = await askInTime(
    { label: labelOf(registry), timeoutMs },
    (signal) => registry.getServiceConfig(SERVICE, { signal }),
    reasonOf,
  );
  return layerOf(registry, answer);
}

/**
 * Asks a server, and fails with a `ConfigError` if it fails or does not answer in time.
 *
 * @param explain Says why it failed, unless its time is over.
 * @param prefix What the error's message begins with.
 */
export async function askInTime<T>(
  { label, timeoutMs, signal }: {
    readonly label: string;
    readonly timeoutMs: number;
    readonly signal?: AbortSignal | undefined;
  },
  ask: (signal: AbortSignal) => T | Promise<T>,
  explain: (error: unknown) => string,
  prefix = "",
): Promise<T> {
  try {
    return await withDeadline(ask, timeoutMs, signal);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const reason = isTimeout(error) ? `no answer within ${timeoutMs} ms` : explain(error);
    throw new ConfigError([{ origin: label, key: "", message: prefix + reason }]);
  }
}

/**
 * Asks a registry that answers at once.
 *
 * @returns The layer; empty with a warning if the registry fails.
 * @throws {ConfigError} If the registry answers with a promise.
 */
export function askRegistrySync(registry: ServiceRegistry): Layer {
  let answer: ServiceAnswer | Promise<ServiceAnswer>;
  try {
    answer = registry.getServiceConfig(SERVICE);
  } catch (error) {
    return withoutAnswer(registry, reasonOf(error));
  }
  if (!(answer instanceof Promise)) return layerOf(registry, answer);
  // Its result is ignored: its failure must not end the process.
  answer.catch(() => {});
  const message = "the registry answers later; use RedisConfigLoader.load()";
  throw new ConfigError([{ origin: labelOf(registry), key: "", message }]);
}

/**
 * Checks the timeout of a registry.
 *
 * @throws {RangeError} If it is not a number from 1 to 2^31 - 1.
 */
export function checkTimeout(timeoutMs: number): number {
  if (Number.isFinite(timeoutMs) && timeoutMs >= 1 && timeoutMs < 2 ** 31) {
    return timeoutMs;
  }
  throw new RangeError(
    "Cannot wait for a service registry as timeoutMs must be from 1 to 2147483647: " +
      `current value is ${timeoutMs}`,
  );
}

function labelOf(registry: ServiceRegistry): string {
  return registry.label ?? "service registry";
}

/** Of a foreign error only the class is shown: its text may hold a token. */
function reasonOf(error: unknown): string {
  if (error instanceof ConfigError) {
    return error.problems[0]?.message ?? "no reason given";
  }
  return error instanceof Error ? `it failed with ${error.name}` : "it failed";
}

function withoutAnswer(registry: ServiceRegistry, reason: string): Layer {
  const layer = new Layer("registry");
  layer.warnings.push(`${labelOf(registry)}: ${reason}; going on without it`);
  return layer;
}

function layerOf(registry: ServiceRegistry, answer: ServiceAnswer): Layer {
  const label = labelOf(registry);
  if (answer === undefined || answer === null) {
    return withoutAnswer(registry, `it knows no service "${SERVICE}"`);
  }
  if (typeof answer !== "object") {
    const layer = new Layer("registry");
    const message = `found ${foundText(answer)}, allowed: {host, port}`;
    layer.refuse({ source: "registry", label }, "", message);
    return layer;
  }
  const used = Object.fromEntries(USED.map((key) => [key, answer[key]]));
  return readOptions(used, "registry", label);
}
