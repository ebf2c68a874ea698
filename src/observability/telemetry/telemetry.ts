import { VERSION } from "../../core/version.ts";
import {
  DatabaseTelemetry,
  type DatabaseTelemetrySource,
  type Reporting,
} from "./database_telemetry.ts";
import { type Api, Instruments, SCOPE } from "./instruments.ts";

/**
 * The namespace of `npm:@opentelemetry/api`, 1.x, whichever copy of it:
 * `import * as api from "@opentelemetry/api"`.
 */
export interface OpenTelemetryApi {
  /** The API of spans. */
  readonly trace: object;
  /** The API of metrics. */
  readonly metrics: object;
  /** The API of contexts. */
  readonly context: object;
}

/**
 * What is reported through OpenTelemetry. Where a provider was registered when the program
 * began, as under `OTEL_DENO=true`, all of it is on by itself; elsewhere nothing is, and
 * costs nothing.
 *
 * Names and attributes are those of the semantic conventions for databases. No key and no
 * value is reported unless {@linkcode TelemetryOptions.queryText} asks for it.
 *
 * @example Usage
 * ```ts
 * import { RedisConnectionManager, type TelemetryOptions } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * const telemetry: TelemetryOptions = { metrics: false, queryText: "masked" };
 * await using manager = new RedisConnectionManager({
 *   url: Deno.env.get("REDIS_URL") ?? "redis://localhost:6379",
 *   databases: { main: { db: 0 } },
 *   telemetry,
 * });
 * assertEquals(await manager.getClient("main").ping(), "PONG");
 * ```
 */
export interface TelemetryOptions {
  /**
   * The API to report through: needed where the provider is registered by the program
   * itself, after its imports. Default: the one that Deno, or what ran before the program,
   * has registered a provider with.
   */
  readonly api?: OpenTelemetryApi;
  /** Whether there are spans: commands, batches, acquires, connects. Default `true`. */
  readonly spans?: boolean;
  /** Whether there are metrics: durations, connections. Default `true`. */
  readonly metrics?: boolean;
  /**
   * What spans show of a command's arguments in `db.query.text`. Default `off`.
   *
   * - `off`: nothing, there is no such attribute
   * - `masked`: that they are there, `SET ? ?`
   * - `keys`: the keys, `SET user:1 ?`
   * - `full`: all of them, up to 1,024 characters; but never passwords of AUTH and its like
   */
  readonly queryText?: "off" | "masked" | "keys" | "full";
}

/** Where every copy of the API, 1.x, looks for the providers of the process. */
const PROVIDERS = Symbol.for("opentelemetry.js.api.1");

/**
 * The API, if a provider was registered by the time that this package was imported, as
 * Deno does under `OTEL_DENO=true`. Otherwise it is not even loaded: that would cost each
 * start of a program 5 ms or more for nothing.
 */
export const registeredApi: Api | undefined = PROVIDERS in globalThis
  ? await import("@opentelemetry/api")
  : undefined;

/** What a manager reports through OpenTelemetry. */
export interface Telemetry {
  /** Reports what one database does, until it is closed. */
  forDatabase(source: DatabaseTelemetrySource): DatabaseTelemetry;
}

/** The warning where telemetry is asked for and cannot be. */
export const NO_PROVIDER = "telemetry was asked for, but no OpenTelemetry provider was " +
  "registered when the program began: set OTEL_DENO=true, or give " +
  "telemetry: { api } with the namespace of @opentelemetry/api";

/**
 * Makes a manager's telemetry.
 *
 * @param wanted The option `telemetry`; without it, everything where there is a provider.
 * @param warn Called where it was asked for and cannot be.
 * @param registered The API, where it has been loaded as there was a provider.
 * @returns The telemetry, or `undefined` where nothing is reported.
 * @throws {TypeError} If what was given is not the API.
 */
export function makeTelemetry(
  wanted: boolean | TelemetryOptions | undefined,
  warn: (message: string) => void,
  registered: Api | undefined = registeredApi,
): Telemetry | undefined {
  if (wanted === false) return undefined;
  const options = typeof wanted === "object" ? wanted : {};
  if (options.spans === false && options.metrics === false) return undefined;
  const api = options.api === undefined ? registered : checkApi(options.api);
  if (api === undefined) {
    if (wanted !== undefined) warn(NO_PROVIDER);
    return undefined;
  }
  const { metrics = true, queryText = "off", spans = true } = options;
  const reporting: Reporting = {
    api,
    tracer: spans ? api.trace.getTracer(SCOPE, VERSION) : undefined,
    instruments: metrics ? Instruments.of(api) : undefined,
    queryText,
  };
  return { forDatabase: (source) => new DatabaseTelemetry({ ...source, ...reporting }) };
}

/** Copies of the API differ in their types, and are the same in what they do. */
function checkApi(given: OpenTelemetryApi): Api {
  const api = given as unknown as Api;
  const isApi = typeof api.trace?.getTracer === "function" &&
    typeof api.metrics?.getMeter === "function" &&
    typeof api.context?.active === "function";
  if (isApi) return api;
  throw new TypeError(
    "Cannot report telemetry as telemetry.api must be the namespace of " +
      "@opentelemetry/api: it has no getTracer, getMeter or active",
  );
}
