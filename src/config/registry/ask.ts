import { deadline } from "@std/async/deadline";
import { ConfigError } from "../../core/errors/base.ts";
import { Layer } from "../layer.ts";
import { foundText } from "../schema/found.ts";
import { readOptions } from "../sources/overrides.ts";
import { checkTimeout } from "./check_timeout.ts";
import type { ServiceAnswer, ServiceRegistry } from "./types.ts";

/** The service that configuration asks for. */
const SERVICE = "redis";

/** Milliseconds that a load waits for a registry by default. */
export const DEFAULT_REGISTRY_TIMEOUT_MS = 3000;

/** What of an answer counts; registries say more than that. */
const USED = ["host", "port", "username", "password"] as const;

/**
 * Asks a registry. One that is slow, down or without an answer does not keep a service
 * from starting: the layer is empty then and warns.
 *
 * @param registry The registry.
 * @param timeoutMs Milliseconds to wait.
 * @returns The layer.
 */
export async function askRegistry(
  registry: ServiceRegistry,
  timeoutMs: number = DEFAULT_REGISTRY_TIMEOUT_MS,
): Promise<Layer> {
  try {
    return await askStrictly(registry, timeoutMs);
  } catch (error) {
    return withoutAnswer(registry, reasonOf(error));
  }
}

/**
 * Asks a registry, and fails when it fails.
 *
 * @param registry The registry.
 * @param timeoutMs Milliseconds to wait.
 * @returns The layer.
 * @throws {ConfigError} If the registry fails or does not answer in time.
 */
export async function askStrictly(
  registry: ServiceRegistry,
  timeoutMs: number = DEFAULT_REGISTRY_TIMEOUT_MS,
): Promise<Layer> {
  const limitMs = checkTimeout(timeoutMs);
  const controller = new AbortController();
  try {
    const { signal } = controller;
    const answer = Promise.resolve(registry.getServiceConfig(SERVICE, { signal }));
    return layerOf(registry, await deadline(answer, limitMs));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const late = error instanceof DOMException && error.name === "TimeoutError";
    const message = late ? `no answer within ${limitMs} ms` : reasonOf(error);
    throw new ConfigError([{ origin: labelOf(registry), key: "", message }]);
  } finally {
    controller.abort();
  }
}

/**
 * Asks a registry that answers at once.
 *
 * @param registry The registry.
 * @returns The layer; empty with a warning when the registry fails.
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
  // Nobody will look at the answer: its failure must not end the process.
  answer.catch(() => {});
  const message = "the registry answers later; use RedisConfigLoader.load()";
  throw new ConfigError([{ origin: labelOf(registry), key: "", message }]);
}

function labelOf(registry: ServiceRegistry): string {
  return registry.label ?? "service registry";
}

/** Of a foreign error only the class is told: its text may hold a token. */
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
  if (answer === undefined || answer === null) {
    return withoutAnswer(registry, `it knows no service "${SERVICE}"`);
  }
  if (typeof answer !== "object") {
    const layer = new Layer("registry");
    const origin = { source: "registry", label: labelOf(registry) } as const;
    layer.refuse(origin, "", `found ${foundText(answer)}, allowed: {host, port}`);
    return layer;
  }
  const used = Object.fromEntries(USED.map((key) => [key, answer[key]]));
  return readOptions(used, "registry", labelOf(registry));
}
