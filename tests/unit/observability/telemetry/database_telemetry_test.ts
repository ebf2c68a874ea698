import type { TelemetryOptions } from "../../../../mod.ts";
import { makeTelemetry } from "../../../../src/observability/telemetry/telemetry.ts";
import { FakeClock } from "../../../../src/testing/fake_clock.ts";
import { RecordingTelemetry } from "../../../support/recording_telemetry.ts";
import { metricsSource } from "../metrics_source.ts";
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { Command } from "ioredis";

const BASE = {
  "db.system.name": "redis",
  "db.namespace": "3",
  "server.address": "cache.example",
  "server.port": 6380,
};

function setup(options: TelemetryOptions = {}) {
  const recorded = new RecordingTelemetry();
  const clock = new FakeClock();
  const telemetry = makeTelemetry({ api: recorded.api, ...options }, () => {})!;
  const make = (name: string, idle = 0) =>
    telemetry.forDatabase({
      name,
      db: 3,
      endpoint: "cache.example:6380",
      isBlocking: ({ name }) => name.toLowerCase() === "blpop",
      readMetrics: () => metricsSource({ idleConnections: idle }),
      clock,
    });
  const database = make("cache");
  const send = (name: string, ...args: string[]) => {
    const command = new Command(name, args);
    command.promise.catch(() => {});
    database.command(command);
    return command;
  };
  return { recorded, clock, database, make, send };
}

function replyError(message: string): Error {
  return Object.assign(new Error(message), { name: "ReplyError" });
}

Deno.test("DatabaseTelemetry reports a command from its call to its reply", async () => {
  const { recorded, clock, send } = setup();
  const command = recorded.within("request", () => send("get", "k"));
  const span = recorded.spanOf("GET");
  assertEquals([span.kind, span.ended, recorded.values], [2, false, []]);
  await clock.advance(7);
  command.resolve("v");
  assertEquals(await command.promise, "v");
  assertEquals(span.attributes, { ...BASE, "db.operation.name": "GET" });
  assertEquals([span.ended, span.status, span.exceptions], [true, undefined, []]);
  assertStrictEquals(span.parent, recorded.spanOf("request"));
  assertEquals(recorded.values, [{
    name: "db.client.operation.duration",
    value: 0.007,
    attributes: { ...BASE, "db.operation.name": "GET" },
  }]);
});

Deno.test("DatabaseTelemetry says the same of a failure in span and metric", async () => {
  const { recorded, send } = setup();
  const command = send("lpush", "k", "v");
  const error = replyError("WRONGTYPE not a list");
  command.reject(error);
  assertStrictEquals(await assertRejects(() => command.promise), error);
  const failed = { "error.type": "WRONGTYPE", "db.response.status_code": "WRONGTYPE" };
  const attributes = { ...BASE, "db.operation.name": "LPUSH", ...failed };
  const span = recorded.spanOf("LPUSH");
  assertEquals(span.attributes, attributes);
  assertEquals(span.status, { code: 2, message: "WRONGTYPE not a list" });
  assertEquals(span.exceptions, [{ name: "WRONGTYPE", message: "WRONGTYPE not a list" }]);
  assertEquals(recorded.values.map((value) => value.attributes), [attributes]);
  // What is shared by all commands of the name has not changed.
  send("lpush", "k", "v").resolve(1);
  assertEquals(recorded.values[1]!.attributes, { ...BASE, "db.operation.name": "LPUSH" });
});

Deno.test("DatabaseTelemetry tells how often a command was sent again", () => {
  const { recorded, send } = setup();
  const twice = send("get", "k");
  Object.assign(twice, { tracking: { attempts: 3, connection: undefined } });
  twice.resolve("v");
  const once = send("set", "k", "v");
  Object.assign(once, { tracking: { attempts: 1, connection: undefined } });
  once.resolve("OK");
  assertEquals(recorded.spanOf("GET").attributes["mooring.retries"], 2);
  assertEquals("mooring.retries" in recorded.spanOf("SET").attributes, false);
});

Deno.test("DatabaseTelemetry asks the connection where the server is, if nobody else knows", () => {
  const recorded = new RecordingTelemetry();
  const database = makeTelemetry({ api: recorded.api }, () => {})!.forDatabase({
    name: "cache",
    db: 0,
    endpoint: undefined,
    isBlocking: ({ name }) => name.toLowerCase() === "blpop",
    readMetrics: metricsSource,
    clock: new FakeClock(),
  });
  const command = new Command("get", ["k"]);
  database.command(command);
  const connection = { endpoint: "10.0.0.7:7001" };
  Object.assign(command, { tracking: { attempts: 1, connection } });
  command.resolve("v");
  for (const { attributes } of [...recorded.spans, ...recorded.values]) {
    assertEquals(
      [attributes["server.address"], attributes["server.port"]],
      ["10.0.0.7", 7001],
    );
  }
});

Deno.test("DatabaseTelemetry tells nothing of arguments unless it is asked to", () => {
  for (const queryText of [undefined, "off"] as const) {
    const { database, recorded, send } = setup({ queryText });
    send("set", "s3cret-key", "s3cret").resolve("OK");
    send("nope", "s3cret").reject(
      replyError("ERR unknown command 'nope', with args beginning with: 's3cret' "),
    );
    database.batch([new Command("set", ["s3cret-key", "s3cret"])], "PIPELINE")();
    const told = JSON.stringify([recorded.spans, recorded.values]);
    assert(!told.includes("s3cret"), told);
  }
  const { recorded, send } = setup({ queryText: "keys" });
  send("set", "key", "value").resolve("OK");
  assertEquals(recorded.spanOf("SET").attributes["db.query.text"], "SET key ?");
  assertEquals("db.query.text" in recorded.values[0]!.attributes, false);
});

Deno.test("DatabaseTelemetry reports a batch as one operation with its size", async () => {
  const { recorded, clock, database } = setup({ queryText: "masked" });
  const commands = [new Command("set", ["a", "1"]), new Command("incr", ["a"])];
  const end = database.batch(commands, "PIPELINE");
  await clock.advance(20);
  end(replyError("ERR no"));
  const span = recorded.spanOf("PIPELINE");
  assertEquals(span.attributes["db.operation.batch.size"], 2);
  assertEquals(span.attributes["db.query.text"], "SET ? ?; INCR ?");
  assertEquals([span.attributes["error.type"], span.ended], ["ERR", true]);
  const [value] = recorded.values;
  assertEquals([value!.value, recorded.values.length], [0.02, 1]);
  assertEquals(value!.attributes["db.operation.name"], "PIPELINE");
});

Deno.test("DatabaseTelemetry reports a batch of one as a command, and one of none with size 0", () => {
  const { recorded, database } = setup();
  database.batch([new Command("get", ["k"])], "PIPELINE")();
  assertEquals("db.operation.batch.size" in recorded.spanOf("GET").attributes, false);
  database.batch([], "PIPELINE")();
  assertEquals(recorded.spanOf("PIPELINE").attributes["db.operation.batch.size"], 0);
});

Deno.test("DatabaseTelemetry ends a batch of the client when its last command is settled", async () => {
  const { recorded, database } = setup();
  const commands = ["get", "get", "get"].map((name) => new Command(name, ["k"]));
  database.commands(commands);
  const span = recorded.spanOf("PIPELINE GET");
  commands[0]!.resolve("1");
  commands[2]!.reject(replyError("OOM no room"));
  assertEquals(span.ended, false);
  commands[1]!.resolve("2");
  assertEquals([span.ended, span.attributes["error.type"]], [true, "OOM"]);
  assertEquals(await commands[1]!.promise, "2");
  await assertRejects(() => commands[2]!.promise, Error, "OOM");

  const multi = ["multi", "incr", "incr", "exec"].map((name) => new Command(name));
  database.commands(multi);
  for (const command of multi) command.resolve("OK");
  const transaction = recorded.spanOf("MULTI INCR");
  assertEquals(transaction.attributes["db.operation.batch.size"], 2);
  assertEquals(transaction.ended, true);
});

Deno.test("DatabaseTelemetry makes what is opened for a lease part of its acquire", async () => {
  const { recorded, database } = setup();
  let inside: unknown;
  await recorded.within(
    "request",
    () =>
      database.acquire(() =>
        database.connect("lease", async () => {
          inside = recorded.active;
          await Promise.resolve();
          return { endpoint: "cache.example:6380" };
        })
      ),
  );
  const [request, acquire, connect] = recorded.spans;
  assertEquals([acquire!.name, connect!.name], ["acquire", "connect"]);
  assertEquals([acquire!.kind, connect!.kind], [2, 2]);
  assertStrictEquals(acquire!.parent, request);
  assertStrictEquals(connect!.parent, acquire);
  assertEquals([acquire!.ended, connect!.ended], [true, true]);
  const pool = { ...BASE, "db.client.connection.pool.name": "cache" };
  assertEquals(acquire!.attributes, pool);
  assertEquals(connect!.attributes, { ...pool, "mooring.connection.purpose": "lease" });
  // The connection outlives the call: what it does later is nobody's.
  assertStrictEquals(inside, undefined);
});

Deno.test("DatabaseTelemetry marks an acquire that was in vain, and passes the error on", async () => {
  const { recorded, database } = setup();
  const error = new RangeError("none left");
  const acquiring = database.acquire(() => Promise.reject(error));
  assertStrictEquals(await assertRejects(() => acquiring), error);
  const span = recorded.spanOf("acquire");
  assertEquals(span.status, { code: 2, message: "none left" });
  assertEquals([span.attributes["error.type"], span.ended], ["RangeError", true]);
});

Deno.test("DatabaseTelemetry observes its pool, under a name of its own, until it is closed", () => {
  const { recorded, database, make } = setup();
  const second = make("cache", 7);
  const of = (pool: string) =>
    recorded.collect()
      .filter(({ attributes }) => attributes["db.client.connection.pool.name"] === pool)
      .map(({ name, value, attributes }) =>
        [name, attributes["db.client.connection.state"], value].join(" ")
      );
  const expected = (idle: number) => [
    `db.client.connection.count idle ${idle}`,
    "db.client.connection.count used 3",
    "db.client.connection.idle.max  10",
    "db.client.connection.idle.min  8",
    "db.client.connection.max  10",
    "db.client.connection.pending_requests  5",
    "db.client.connection.timeouts  7",
  ];
  assertEquals(of("cache"), expected(0));
  assertEquals(of("cache#2"), expected(7));
  database.close();
  assertEquals([of("cache").length, of("cache#2").length], [0, 7]);
  second.close();
  assertEquals(recorded.collect(), []);
});

Deno.test("DatabaseTelemetry reports the times of connections in seconds", () => {
  const { recorded, database } = setup();
  database.took("create", 30);
  database.took("wait", 0);
  database.took("use", 1500);
  const pool = { "db.client.connection.pool.name": "cache" };
  assertEquals(recorded.values, [
    { name: "db.client.connection.create_time", value: 0.03, attributes: pool },
    { name: "db.client.connection.wait_time", value: 0, attributes: pool },
    { name: "db.client.connection.use_time", value: 1.5, attributes: pool },
  ]);
});

Deno.test("DatabaseTelemetry reports spans alone or metrics alone", async () => {
  const open = () => Promise.resolve({ endpoint: "h:1" });
  for (const options of [{ metrics: false }, { spans: false }]) {
    const { recorded, database, send } = setup(options);
    send("get", "k").resolve("v");
    database.batch([], "MULTI")();
    await database.acquire(() => database.connect("lane", open));
    database.took("create", 1);
    const counts = [recorded.spans.length, recorded.values.length];
    assertEquals(counts, options.metrics === false ? [4, 0] : [0, 3]);
    assertEquals(recorded.collect().length, options.metrics === false ? 0 : 7);
  }
});
