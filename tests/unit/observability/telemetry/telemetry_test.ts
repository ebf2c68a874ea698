import type { OpenTelemetryApi } from "../../../../mod.ts";
import type { Api } from "../../../../src/observability/telemetry/instruments.ts";
import {
  makeTelemetry,
  NO_PROVIDER,
  registeredApi,
} from "../../../../src/observability/telemetry/telemetry.ts";
import { FakeClock } from "../../../../src/testing/fake_clock.ts";
import { RecordingTelemetry } from "../../../support/recording_telemetry.ts";
import { metricsSource } from "../metrics_source.ts";
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";

const { api: recording } = new RecordingTelemetry();
const api: OpenTelemetryApi = recording;
const registered = recording as unknown as Api;

function make(...[wanted, found]: [Parameters<typeof makeTelemetry>[0], Api?]) {
  const warnings: string[] = [];
  const telemetry = makeTelemetry(wanted, (message) => warnings.push(message), found);
  return [telemetry !== undefined, warnings] as const;
}

Deno.test({
  name: "OpenTelemetry's API is not loaded where no provider is registered",
  ignore: Symbol.for("opentelemetry.js.api.1") in globalThis,
  fn: () => assertStrictEquals(registeredApi, undefined),
});

Deno.test("makeTelemetry() is on by itself where a provider is, and can be turned off", () => {
  assertEquals(make(undefined, registered), [true, []]);
  assertEquals(make(true, registered), [true, []]);
  assertEquals(make({ metrics: false }, registered), [true, []]);
  assertEquals(make(false, registered), [false, []]);
  assertEquals(make({ metrics: false, spans: false }, registered), [false, []]);
});

Deno.test("makeTelemetry() is off where no provider is, and warns whoever asked for it", () => {
  assertEquals(make(undefined), [false, []]);
  assertEquals(make(true), [false, [NO_PROVIDER]]);
  assertEquals(make({ queryText: "full" }), [false, [NO_PROVIDER]]);
  assertEquals(make({ api }), [true, []]);
});

Deno.test("makeTelemetry() takes the namespace of the API and nothing else", async () => {
  assertEquals(make({ api: await import("@opentelemetry/api") }), [true, []]);
  const none = { trace: {}, metrics: {}, context: {} };
  assertThrows(() => make({ api: none }), TypeError, "@opentelemetry/api");
});

Deno.test("Telemetry makes its instruments once for all managers, as the conventions say", () => {
  const telemetry = new RecordingTelemetry();
  const clock = new FakeClock();
  for (const name of ["a", "b"]) {
    const made = makeTelemetry({ api: telemetry.api }, () => {})!;
    made.forDatabase({
      name,
      db: 0,
      endpoint: "h:1",
      isBlocking: ({ name }) => name.toLowerCase() === "blpop",
      readMetrics: metricsSource,
      clock,
    });
  }
  const seconds = "histogram s 0.001 0.005 0.01 0.05 0.1 0.5 1 5 10";
  assertEquals(
    telemetry.instruments.map((
      { made, name, options: { advice, unit } },
    ) => [name, [made, unit, ...advice?.explicitBucketBoundaries ?? []].join(" ")]),
    [
      ["db.client.operation.duration", seconds],
      ["mooring.client.blocking_operation.duration", seconds],
      ["db.client.connection.create_time", seconds],
      ["db.client.connection.wait_time", seconds],
      ["db.client.connection.use_time", seconds],
      ["redis.client.csc.items", "observable up-down counter {item}"],
      ["redis.client.csc.requests", "observable counter {request}"],
      ["redis.client.csc.evictions", "observable counter {eviction}"],
      ["mooring.client.replica.count", "observable up-down counter {replica}"],
      ["mooring.client.replica.lag", "observable up-down counter s"],
      ["mooring.client.replica.zone", "observable up-down counter {replica}"],
      ["db.client.connection.count", "observable up-down counter {connection}"],
      ["db.client.connection.idle.max", "observable up-down counter {connection}"],
      ["db.client.connection.idle.min", "observable up-down counter {connection}"],
      ["db.client.connection.max", "observable up-down counter {connection}"],
      ["db.client.connection.pending_requests", "observable up-down counter {request}"],
      ["db.client.connection.timeouts", "observable counter {timeout}"],
    ],
  );
  for (const { options } of telemetry.instruments) assert(options.description);
  for (const scope of telemetry.scopes) assert(/^@mooring\/redis \d/.test(scope), scope);
});
