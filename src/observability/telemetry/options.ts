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
 * What spans tell of a command's arguments in `db.query.text`:
 *
 * - `off`: nothing, there is no such attribute
 * - `masked`: that they are there, `SET ? ?`
 * - `keys`: the keys, `SET user:1 ?`
 * - `full`: all of them, up to 1,024 characters; but never passwords of AUTH and its like
 */
export type QueryText = "off" | "masked" | "keys" | "full";

/**
 * What is reported through OpenTelemetry. Where a provider was registered when the program
 * began, as under `OTEL_DENO=true`, all of it is on by itself; elsewhere nothing is, and
 * costs nothing.
 *
 * Names and attributes are those of the semantic conventions for databases. No key and no
 * value is told unless {@linkcode TelemetryOptions.queryText} asks for it.
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
  /** What spans tell of the arguments of commands. Default `off`. */
  readonly queryText?: QueryText;
}
