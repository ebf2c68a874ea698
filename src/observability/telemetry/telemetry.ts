import { VERSION } from "../../core/version.ts";
import { type Api, registeredApi, type Tracer } from "./api.ts";
import { DatabaseTelemetry, type DatabaseTelemetryParts } from "./database_telemetry.ts";
import { Instruments, SCOPE } from "./instruments.ts";
import type { OpenTelemetryApi, QueryText, TelemetryOptions } from "./options.ts";

/** What of a database is to be known. */
export type DatabaseTelemetrySource = Pick<
  DatabaseTelemetryParts,
  "name" | "db" | "endpoint" | "isBlocking" | "readPool" | "clock"
>;

/** What a manager reports through OpenTelemetry. */
export class Telemetry {
  readonly #api: Api;
  readonly #tracer: Tracer | undefined;
  readonly #instruments: Instruments | undefined;
  readonly #queryText: QueryText;

  /**
   * Takes the tracer and the instruments of the API's providers.
   *
   * @param api The API.
   * @param options What is reported.
   */
  constructor(api: Api, options: TelemetryOptions) {
    const { metrics = true, queryText = "off", spans = true } = options;
    this.#api = api;
    this.#tracer = spans ? api.trace.getTracer(SCOPE, VERSION) : undefined;
    this.#instruments = metrics ? Instruments.of(api) : undefined;
    this.#queryText = queryText;
  }

  /**
   * What one database reports.
   *
   * @param source The database.
   * @returns Takes its reports; close it.
   */
  forDatabase(source: DatabaseTelemetrySource): DatabaseTelemetry {
    return new DatabaseTelemetry({
      ...source,
      api: this.#api,
      tracer: this.#tracer,
      instruments: this.#instruments,
      queryText: this.#queryText,
    });
  }
}

/** What is said to who asks for telemetry in vain. */
export const NO_PROVIDER = "telemetry was asked for, but no OpenTelemetry provider was " +
  "registered when the program began: set OTEL_DENO=true, or give " +
  "telemetry: { api } with the namespace of @opentelemetry/api";

/**
 * Makes a manager's telemetry.
 *
 * @param wanted What the user wants; without it, all of it where there is a provider.
 * @param warn Told that it was asked for in vain.
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
  if (api !== undefined) return new Telemetry(api, options);
  if (wanted !== undefined) warn(NO_PROVIDER);
  return undefined;
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
