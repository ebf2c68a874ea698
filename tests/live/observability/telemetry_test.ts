import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { AcquireTimeoutError, type ManagerOptions } from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { configArgs } from "../../support/child_config.ts";
import { withManager } from "../../support/managed.ts";
import {
  OtlpReceiver,
  type ReceivedPoint,
  type ReceivedSpan,
} from "../../support/otlp_receiver.ts";
import { RecordingTelemetry } from "../../support/recording_telemetry.ts";

const ONE = { databases: { main: { db: 0 } } };
const SCOPE = "@mooring/redis";

/** Runs a program under Deno's own exporter until `done`, then to its end. */
async function exported(
  server: RedisServer,
  how: object,
  done: (receiver: OtlpReceiver) => boolean,
): Promise<OtlpReceiver> {
  const receiver = OtlpReceiver.start();
  const script = new URL("./_telemetry_child.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", ...configArgs()],
      ...[script, String(server.port), JSON.stringify(how)],
    ],
    env: receiver.env,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  let ended = false;
  child.status.then(() => ended = true);
  try {
    const options = { what: "what is exported", timeoutMs: 60_000 };
    await waitFor(() => ended || done(receiver), options);
  } finally {
    await child.stdin.close().catch(() => {});
  }
  const { code, stderr } = await output;
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  await receiver[Symbol.asyncDispose]();
  return receiver;
}

Deno.test("under OTEL_DENO=true a manager's spans and metrics are exported as they are", async () => {
  await using server = await RedisServer.start();
  // Gauges as they are while the program waits; they change when it ends.
  let gauges: ReceivedPoint[] = [];
  const received = await exported(server, {}, (receiver) => {
    gauges = GAUGES.flatMap((name) => receiver.points(`db.client.connection.${name}`));
    return stateOf(gauges, "used") === 2 && stateOf(gauges, "idle") === 1;
  });
  const spans = received.spans.filter(({ scope }) => scope === SCOPE);
  const request = received.spans.find(({ name }) => name === "request")!;
  const inRequest = spans.filter(({ parentSpanId }) => parentSpanId === request.spanId);
  assertEquals(
    inRequest.map(({ name }) => name).sort(),
    [
      // The lane, and the connection that is kept ready behind it.
      ...["connect", "connect"],
      ...["SET", "GET", "LPUSH", "NOSUCH", "PIPELINE", "PIPELINE INCR"],
      ...["acquire", "WATCH", "STRLEN", "MULTI INCR", "acquire", "BLPOP"],
    ].sort(),
  );
  for (const { kind, traceId } of inRequest) {
    assertEquals([kind, traceId], [3, request.traceId]);
  }
  const base = {
    "db.system.name": "redis",
    "db.namespace": "2",
    "server.address": "127.0.0.1",
    "server.port": server.port,
  };
  const only = (name: string) => {
    const found = spans.filter((span) => span.name === name);
    assertEquals(found.length, 1, name);
    return found[0]!;
  };
  assertEquals(only("GET").attributes, { ...base, "db.operation.name": "GET" });
  assertEquals(only("PIPELINE").attributes, {
    ...base,
    "db.operation.name": "PIPELINE",
    "db.operation.batch.size": 2,
  });
  assertEquals(only("PIPELINE INCR").attributes["db.operation.batch.size"], 2);
  assertEquals(only("MULTI INCR").attributes["db.operation.batch.size"], 2);
  assertFailed(only("LPUSH"), "WRONGTYPE");
  assertFailed(only("NOSUCH"), "ERR");
  // The third connection was opened for a lease that found no idle one.
  const acquires = spans.filter(({ name }) => name === "acquire")
    .map(({ spanId }) => spanId);
  const opened = spans.filter(({ name }) => name === "connect");
  const forLeases = opened.filter(({ parentSpanId }) => acquires.includes(parentSpanId));
  assertEquals([opened.length, forLeases.length], [3, 1]);
  assertEquals(opened[0]!.attributes["db.client.connection.pool.name"], "main");
  // What comes after the request has no parent.
  assertEquals(only("PING").parentSpanId, "");
  const told = JSON.stringify(received.spans);
  assert(!told.includes("s3cret"), told);
  assertDurations(received, base);
  assertPool(received, gauges);
});

const GAUGES = ["count", "max", "idle.max", "idle.min", "pending_requests", "timeouts"];

function stateOf(points: readonly ReceivedPoint[], state: string): number | undefined {
  return points.find(({ attributes }) =>
    attributes["db.client.connection.state"] === state
  )?.value;
}

function assertFailed({ attributes, events, status }: ReceivedSpan, code: string): void {
  assertEquals(
    [attributes["error.type"], attributes["db.response.status_code"], status.code],
    [code, code, 2],
  );
  assertEquals([status.message.startsWith(code), events], [true, ["exception"]]);
}

function assertDurations(received: OtlpReceiver, base: Record<string, unknown>): void {
  const durations = received.points("db.client.operation.duration");
  const duration = (operation: string) =>
    durations.filter(({ attributes }) => attributes["db.operation.name"] === operation);
  const [get] = duration("GET");
  assertEquals([get!.type, get!.unit, get!.count, get!.scope], [
    "histogram",
    "s",
    1,
    SCOPE,
  ]);
  assertEquals(get!.bounds, [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]);
  assertEquals(get!.attributes, { ...base, "db.operation.name": "GET" });
  assert(get!.value > 0 && get!.value < 10, `${get!.value} s`);
  assertEquals(duration("LPUSH").map(({ attributes }) => attributes["error.type"]), [
    "WRONGTYPE",
  ]);
  assertEquals(duration("PIPELINE")[0]!.count, 1);
  // How long it waits for a value is no latency.
  assertEquals(duration("BLPOP"), []);
  const [blpop] = received.points("mooring.client.blocking_operation.duration");
  assertEquals(blpop!.attributes, { ...base, "db.operation.name": "BLPOP" });
  assert(blpop!.value >= 0.01, `${blpop!.value} s`);
}

function assertPool(received: OtlpReceiver, gauges: readonly ReceivedPoint[]): void {
  assertEquals(
    gauges.map(({ attributes, isMonotonic, name, type, unit, value }) =>
      [
        name.replace("db.client.connection.", ""),
        attributes["db.client.connection.pool.name"],
        attributes["db.client.connection.state"] ?? "",
        type,
        isMonotonic,
        value,
        unit,
      ].join(" ")
    ).sort(),
    [
      "count main idle sum false 1 {connection}",
      "count main used sum false 2 {connection}",
      "idle.max main  sum false 3 {connection}",
      "idle.min main  sum false 1 {connection}",
      "max main  sum false 3 {connection}",
      "pending_requests main  sum false 0 {request}",
      "timeouts main  sum true 0 {timeout}",
    ],
  );
  for (const [name, count] of [["create_time", 3], ["wait_time", 4], ["use_time", 4]]) {
    const [point] = received.points(`db.client.connection.${name}`);
    const { attributes, type, unit } = point!;
    assertEquals([name, point!.count, type, unit], [name, count, "histogram", "s"]);
    assertEquals(attributes, { "db.client.connection.pool.name": "main" });
  }
}

Deno.test("under OTEL_DENO=true a manager can be told to report nothing, or what it is asked", async () => {
  await using server = await RedisServer.start();
  const isOver = ({ spans }: OtlpReceiver) =>
    spans.some(({ name }) => name === "request");
  const off = await exported(server, { telemetry: false }, isOver);
  assertEquals(off.spans.filter(({ scope }) => scope === SCOPE), []);
  assertEquals(off.points("db.client.operation.duration"), []);
  const telemetry = { metrics: false, queryText: "keys" };
  const spans = await exported(server, { telemetry }, isOver);
  const get = spans.spans.find(({ name }) => name === "GET")!;
  assertEquals(get.attributes["db.query.text"], "GET s3cret-key");
  assertEquals(spans.points("db.client.operation.duration"), []);
});

Deno.test("a manager's spans count commands as INFO does", () => {
  const recorded = new RecordingTelemetry();
  return withTelemetry(recorded, ONE, async ({ manager, server }) => {
    const main = manager.getClient("main");
    await Promise.all(Array.from({ length: 20 }, (_, i) => main.set(`k${i}`, i)));
    await Promise.all(Array.from({ length: 30 }, (_, i) => main.get(`k${i}`)));
    await manager.execute("main", "INCRBY", "k0", 5);
    await main.with({ timeoutMs: 10_000 }).decr("k0");
    {
      await using lease = await manager.acquire("main");
      await lease.client.exists("k0");
    }
    const stats = await server.info("commandstats");
    for (const name of ["set", "get", "incrby", "decr", "exists"]) {
      const calls = Number(/calls=(\d+)/.exec(stats[`cmdstat_${name}`]!)![1]);
      const spans = recorded.spans.filter((span) => span.name === name.toUpperCase());
      assertEquals([name, spans.length], [name, calls]);
      const durations = recorded.valuesOf("db.client.operation.duration")
        .filter(({ attributes }) =>
          attributes["db.operation.name"] === name.toUpperCase()
        );
      assertEquals([name, durations.length], [name, calls]);
    }
    assert(recorded.spans.every(({ ended }) => ended));
  });
});

Deno.test("a command that is sent again has one span, under who called it, that says so", () => {
  const recorded = new RecordingTelemetry();
  return withTelemetry(recorded, {
    ...ONE,
    commandTimeoutMs: 30_000,
    connectRetry: { attempts: 500, minMs: 20, maxMs: 20 },
  }, async ({ manager, server }) => {
    const main = manager.getClient("main");
    await main.ping();
    server.pause();
    const reading = recorded.within("request", () => main.get("k"));
    await waitFor(() => manager.getPoolStatistics().inFlight === 1, { what: "the GET" });
    await server.kill();
    await server.restart();
    assertEquals(await reading, null);
    const span = recorded.spanOf("GET");
    assertStrictEquals(span.parent, recorded.spanOf("request"));
    assertEquals([span.attributes["mooring.retries"], span.status], [1, undefined]);
    assertEquals(recorded.valuesOf("db.client.operation.duration").length, 2);
    // Nobody's call opened the second connection: the loss of the first one did.
    const connects = recorded.spans.filter(({ name }) => name === "connect");
    assertEquals(connects.map(({ parent }) => parent), [undefined, undefined]);
  });
});

Deno.test("what fails before it is sent has a span with its error too", () => {
  const recorded = new RecordingTelemetry();
  return withTelemetry(recorded, {
    databases: { main: { db: 0, maxConnections: 2 } },
  }, async ({ manager }) => {
    const main = manager.getClient("main");
    await assertRejects(() => main.select(1));
    assertEquals(
      recorded.spanOf("SELECT").attributes["error.type"],
      "CommandRefusedError",
    );
    const signal = AbortSignal.abort();
    await assertRejects(() => main.with({ signal }).get("k"));
    assertEquals(recorded.spanOf("GET").attributes["error.type"], "AbortError");
    await main.ping();
    await using _lease = await manager.acquire("main");
    await assertRejects(
      () => manager.acquire("main", { timeoutMs: 20 }),
      AcquireTimeoutError,
    );
    const [, inVain] = recorded.spans.filter(({ name }) => name === "acquire");
    assertEquals(inVain!.attributes["error.type"], "AcquireTimeoutError");
    const timeouts = recorded.collect()
      .filter(({ name }) => name === "db.client.connection.timeouts");
    assertEquals(timeouts.map(({ value }) => value), [1]);
  });
});

Deno.test("what cannot be written has no span, nor has its pipeline", () => {
  const recorded = new RecordingTelemetry();
  return withTelemetry(recorded, ONE, async ({ manager }) => {
    const main = manager.getClient("main");
    const bad = Object.create(null) as string;
    await assertRejects(() => main.set("k", bad), TypeError, "Cannot write SET");
    const results = await main.pipeline().get("k").set("k", bad).exec();
    assert(results!.every(([error]) => error !== null));
    assertEquals(recorded.spans.filter(({ name }) => name === "SET"), []);
    assertEquals(recorded.spans.filter(({ name }) => name === "PIPELINE"), []);
  });
});

Deno.test("a connection that cannot be opened has a span with its error", () => {
  const recorded = new RecordingTelemetry();
  return withTelemetry(recorded, {
    databases: { main: { db: 0, port: 1 } },
    connectRetry: { attempts: 1 },
  }, async ({ manager }) => {
    await assertRejects(() => manager.getClient("main").get("k"));
    for (const name of ["connect", "GET"]) {
      const { attributes, ended } = recorded.spanOf(name);
      assertEquals([attributes["error.type"], ended], ["ConnectError", true]);
    }
  });
});

Deno.test("a transaction that is run again has a span for each attempt, none of them failed", () => {
  const recorded = new RecordingTelemetry();
  return withTelemetry(recorded, ONE, async ({ manager, server }) => {
    let attempts = 0;
    await manager.transaction("main", async (tx, watched) => {
      await watched.get("n");
      if (++attempts === 1) await server.cli("INCR", "n");
      tx.incr("n");
      tx.incr("n");
    }, { watch: ["n"] });
    const tried = recorded.spans.filter(({ name }) => name === "MULTI INCR");
    assertEquals(tried.map(({ status }) => status), [undefined, undefined]);
    const reads = recorded.spans.filter(({ name }) => name === "GET");
    assertEquals([attempts, reads.length], [2, 2]);
  });
});

Deno.test("a manager that was closed reports no pool", async () => {
  const recorded = new RecordingTelemetry();
  await withTelemetry(recorded, ONE, async ({ manager }) => {
    await manager.getClient("main").ping();
    assertEquals(recorded.collect().length, 7);
  });
  assertEquals(recorded.collect(), []);
});

Deno.test("a manager that is asked for telemetry in vain says so", () =>
  withManager({ ...ONE, telemetry: true }, ({ manager }) => {
    const [warning] = manager.warnings;
    assert(warning?.includes("OTEL_DENO=true"), warning);
    return Promise.resolve();
  }));

function withTelemetry(
  { api }: RecordingTelemetry,
  options: ManagerOptions,
  test: Parameters<typeof withManager>[1],
): Promise<void> {
  return withManager({ ...options, telemetry: { api } }, test);
}
