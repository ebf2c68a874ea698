import { Buffer } from "node:buffer";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  CommandTimeoutError,
  ManagerClosedError,
  OverloadedError,
} from "../../../src/core/errors/mod.ts";
import { type FakeConnection, LaneBench } from "./lane_support.ts";

const PONG = Buffer.from("PONG");

Deno.test("LaneSet.submit() opens one lane, however many commands wait, and keeps their order", async () => {
  const bench = new LaneBench();
  bench.submit("a", "b", "c");
  assertEquals([bench.opening, bench.lanes.waiting], [1, 3]);
  const connection = await bench.open();
  bench.submit("d");
  assertEquals(connection.names, ["a", "b", "c", "d"]);
  assertEquals([bench.lanes.waiting, bench.lanes.inFlight], [0, 4]);
});

Deno.test("LaneSet.submit() sends on the open lane with the fewest commands in flight", async () => {
  const bench = new LaneBench({ maxLanes: 3 });
  await bench.grow(3);
  const [one, two, three] = bench.connections;
  one!.inFlight = 5;
  two!.inFlight = 3;
  three!.inFlight = 1;
  three!.isOpen = false;
  const before = two!.sent.length;
  bench.submit("a", "b", "c");
  assertEquals(two!.names.slice(before), ["a", "b"]);
  assertEquals(one!.names.at(-1), "c");
});

Deno.test("LaneSet.submit() counts unsent bytes as load", async () => {
  const bench = new LaneBench({ maxLanes: 2 });
  await bench.grow(2);
  const [one, two] = bench.connections;
  one!.stream.bufferedBytes = 1024 * 1024;
  two!.inFlight = 200;
  bench.submit("small");
  assertEquals(two!.names.at(-1), "small");
});

Deno.test("LaneSet opens another lane after 8 saturated ticks in a row, and not before", async () => {
  const bench = new LaneBench({ maxLanes: 2 });
  bench.submit("first");
  const connection = await bench.open();
  const saturated = (ticks: number) => {
    for (let tick = 0; tick < ticks; tick++) {
      connection.stream.tick++;
      connection.inFlight = 256;
      // More commands of the same tick do not count again.
      bench.submit("x", "x", "x");
    }
  };
  saturated(7);
  connection.stream.tick++;
  connection.inFlight = 10;
  bench.submit("calm");
  saturated(7);
  assertEquals(bench.opening, 0);
  saturated(1);
  assertEquals(bench.opening, 1);
  saturated(50);
  assertEquals(bench.opening, 1);
  await bench.open();
  saturated(50);
  assertEquals([bench.opening, bench.lanes.size], [0, 2]);
});

Deno.test("LaneSet keeps small commands off a lane with a large one until that is answered", async () => {
  const bench = new LaneBench({ maxLanes: 2 });
  await bench.grow(2);
  const [one, two] = bench.connections;
  const large = () => bench.lanes.submit(bench.command("large", ["x".repeat(64 * 1024)]));
  large();
  for (let i = 0; i < 20; i++) bench.submit("small");
  assertEquals(one!.names.at(-1), "large");
  assertEquals(two!.names.filter((name) => name === "small").length, 20);
  large();
  assertEquals([one!.inFlight, two!.inFlight], [2, 20]);
  one!.answer();
  bench.submit("after");
  assertEquals(one!.names.at(-1), "after");
});

Deno.test("LaneSet.submit() refuses what is over a lane's limit, with the numbers", async () => {
  const bench = new LaneBench();
  bench.submit("first");
  const connection = await bench.open();
  connection.inFlight = 100_000;
  bench.submit("many");
  connection.inFlight = 1;
  connection.stream.congested = true;
  connection.stream.bufferedBytes = 1234;
  bench.submit("bytes");
  assertEquals(bench.failures.map(({ name, delivery }) => [name, delivery]), [
    ["many", "never-sent"],
    ["bytes", "never-sent"],
  ]);
  const [many, bytes] = bench.failures.map(({ error }) => error);
  assertInstanceOf(many, OverloadedError);
  assertInstanceOf(bytes, OverloadedError);
  assertStringIncludes(many.message.replaceAll(",", ""), "100000");
  assertStringIncludes(bytes.message.replaceAll(",", ""), "1234");
});

Deno.test("LaneSet.submitBatch() sends all or none, with nothing in between", async () => {
  const bench = new LaneBench({ maxWaiting: 5 });
  const batch = (...names: string[]) =>
    bench.lanes.submitBatch(names.map((name) => bench.command(name)));
  bench.submit("a");
  batch("multi", "incr", "exec");
  batch("no", "no");
  bench.submit("b");
  const connection = await bench.open();
  connection.reply("OK");
  connection.reply([]);
  await bench.clock.advance(0);
  assertEquals(connection.names.slice(2), ["a", "multi", "incr", "exec", "b"]);
  assertEquals(bench.failures.map(({ name }) => name), ["no", "no"]);
  connection.inFlight = 99_999;
  batch("two", "much");
  batch("one");
  assertEquals(connection.names.at(-1), "one");
  assertEquals(bench.failures.map(({ name }) => name), ["no", "no", "two", "much"]);
});

Deno.test("LaneSet withdraws a command whose deadline passes while it waits: it never runs", async () => {
  const bench = new LaneBench();
  bench.lanes.submit(bench.command("late", [], 3000));
  bench.lanes.submit(bench.command("soon", [], 500));
  await bench.clock.advance(499);
  assertEquals(bench.failures, []);
  await bench.clock.advance(1);
  assertEquals(bench.failures.map(({ name }) => name), ["soon"]);
  const [{ error, delivery }] = bench.failures as [typeof bench.failures[0]];
  assertInstanceOf(error, CommandTimeoutError);
  assertEquals([error.timeoutMs, delivery], [500, "never-sent"]);
  const connection = await bench.open();
  assertEquals(connection.names, ["late"]);
  await bench.clock.advance(10_000);
  assertEquals([bench.failures.length, bench.clock.pending], [1, 0]);
});

Deno.test("LaneSet fails what waits when no lane can be opened", async () => {
  const bench = new LaneBench();
  bench.submit("a", "b");
  const ready = bench.lanes.whenReady();
  const why = new Error("nobody there");
  const rejected = assertRejects(() => ready, Error, "nobody there");
  await bench.refuse(why);
  await rejected;
  assertEquals(bench.failures.map(({ error }) => error), [why, why]);
  bench.submit("c");
  assertEquals(bench.opening, 1);
});

Deno.test("LaneSet.whenReady() ends with its signal, and leaves the others waiting", async () => {
  const bench = new LaneBench();
  const controller = new AbortController();
  const aborted = assertRejects(
    () => bench.lanes.whenReady(controller.signal),
    Error,
    "enough",
  );
  const other = bench.lanes.whenReady();
  controller.abort(new Error("enough"));
  await aborted;
  await bench.open();
  await other;
  assertEquals(bench.lanes.size, 1);
});

Deno.test("LaneSet.replaceAll() ends lanes when theirs is answered, and sends on new ones", async () => {
  const bench = new LaneBench();
  bench.submit("old");
  const old = await bench.open();
  bench.lanes.replaceAll("READONLY");
  bench.submit("new");
  await bench.clock.advance(500);
  assertEquals(bench.released, []);
  const fresh = await bench.open();
  assertEquals([old.names, fresh.names], [["old"], ["new"]]);
  assertEquals(bench.lanes.inFlight, 2);
  old.answer();
  await bench.clock.advance(10);
  assertEquals(bench.released[0], "READONLY");
  assertEquals([bench.lanes.size, bench.clock.pending], [1, 0]);
});

Deno.test("LaneSet.replaceExpired() ends the lanes whose time is over, and only those", async () => {
  const bench = new LaneBench();
  bench.submit("a");
  const connection = await bench.open(5000);
  connection.answer();
  await bench.clock.advance(4999);
  assertEquals(bench.lanes.replaceExpired(), 0);
  await bench.clock.advance(1);
  assertEquals(bench.lanes.replaceExpired(), 1);
  await bench.clock.advance(0);
  assertEquals([bench.lanes.size, connection.isOpen], [0, false]);
});

Deno.test("LaneSet opens another lane when one ends while commands wait", async () => {
  const bench = new LaneBench();
  bench.submit("a");
  const connection = await bench.open();
  connection.end();
  assertEquals([bench.lanes.size, bench.opening], [0, 0]);
  bench.submit("b");
  assertEquals(bench.opening, 1);
  const next = await bench.open();
  assertEquals(next.names, ["b"]);
});

Deno.test("LaneSet.close() waits for what is in flight, on lanes that retire too", async () => {
  const bench = new LaneBench();
  bench.submit("old");
  const old = await bench.open();
  bench.lanes.replaceAll("READONLY");
  bench.submit("new");
  const fresh = await bench.open();
  let cut: number | undefined;
  const closing = bench.lanes.close(5000).then((count) => cut = count);
  fresh.answer();
  bench.lanes.commandFinished();
  await bench.clock.advance(100);
  assertEquals(cut, undefined);
  old.answer();
  bench.lanes.commandFinished();
  await closing;
  assertEquals(cut, 0);
  assertEquals([old.isOpen, fresh.isOpen], [false, false]);
  await bench.clock.advance(100);
  assertEquals(bench.clock.pending, 0);
});

Deno.test("LaneSet.close() cuts what has not finished in time, and says how much", async () => {
  const bench = new LaneBench();
  bench.submit("a", "b");
  const connection = await bench.open();
  connection.answer(1);
  const closing = bench.lanes.close(200);
  await bench.clock.advance(199);
  assertEquals(connection.isOpen, true);
  await bench.clock.advance(1);
  assertEquals(await closing, 1);
  assertEquals(connection.isOpen, false);
  await assertRejects(() => bench.lanes.whenReady(), ManagerClosedError);
  bench.submit("late");
  assertInstanceOf(bench.failures.at(-1)!.error, ManagerClosedError);
  assertEquals(await bench.lanes.close(200), 0);
  assertEquals(bench.clock.pending, 0);
});

Deno.test("LaneSet.close() fails what waits, and gives a lane back that opens too late", async () => {
  const bench = new LaneBench();
  bench.submit("a");
  const closing = bench.lanes.close(0);
  await bench.clock.advance(0);
  assertEquals(await closing, 1);
  assertInstanceOf(bench.failures[0]!.error, ManagerClosedError);
  const late = await bench.open();
  assertEquals([late.isOpen, late.names], [false, []]);
});

Deno.test("LaneSet.close() waits for nothing that its callers gave up, and cuts none of it", async () => {
  const bench = new LaneBench();
  bench.submit("sent");
  const connection = await bench.open();
  connection.isOpen = false;
  bench.submit("waits");
  let cut: number | undefined;
  void bench.lanes.close(5000).then((count) => cut = count);
  await bench.clock.advance(100);
  assertEquals([connection.inFlight, bench.lanes.waiting, cut], [1, 1, undefined]);
  connection.sent[0]!.tracking.settled = true;
  await bench.clock.advance(100);
  assertEquals(cut, undefined);
  // Its deadline passes, which tells its caller.
  await bench.clock.advance(1000);
  assertEquals([cut, bench.failures.length, connection.inFlight], [0, 1, 1]);
  assertEquals(bench.clock.pending, 0);
});

Deno.test("LaneSet.submit() lets a command wait in the place of one that was given up", async () => {
  const bench = new LaneBench({ maxWaiting: 2 });
  const givenUp = bench.command("given up");
  bench.lanes.submit(givenUp);
  bench.submit("a");
  givenUp.tracking.settled = true;
  bench.submit("b", "c");
  assertEquals(bench.failures.map(({ name }) => name), ["c"]);
  const connection = await bench.open();
  assertEquals(connection.names, ["a", "b"]);
});

/** Asks, behind a SET, whether all that was submitted has passed; notes the answer. */
function askBehindSet(bench: LaneBench): boolean[] {
  bench.submit("set");
  const told: boolean[] = [];
  void bench.lanes.flush(100).then((flushed) => told.push(flushed));
  return told;
}

Deno.test("LaneSet.flush() waits for what was submitted before on any lane, and for no more", async () => {
  const bench = new LaneBench({ maxLanes: 2 });
  assertEquals(await bench.lanes.flush(100), true);
  await bench.grow(2);
  const [one, two] = bench.connections as [FakeConnection, FakeConnection];
  const told = askBehindSet(bench);
  // What is idle is not asked.
  assertEquals([one.names.slice(-2), two.names], [["set", "ping"], []]);
  bench.submit("later");
  await bench.clock.advance(50);
  assertEquals(told, []);
  one.sent.at(-1)!.resolve(PONG);
  await bench.clock.advance(0);
  assertEquals(told, [true]);
});

Deno.test("LaneSet.flush() goes behind what waits for a lane, and again when that is lost", async () => {
  const bench = new LaneBench();
  const told = askBehindSet(bench);
  const first = await bench.open();
  assertEquals(first.names, ["set", "ping"]);
  // Lost with its lane, the command is sent again on the next one.
  first.end();
  bench.submit("set");
  const { owner } = first.sent[1]!.tracking;
  owner.failed(first.sent[1]!, new Error("lost"), "ambiguous");
  await bench.clock.advance(10);
  const second = await bench.open();
  assertEquals([second.names, told], [["set", "ping"], []]);
  second.sent[1]!.resolve(PONG);
  await bench.clock.advance(0);
  assertEquals(told, [true]);
});

Deno.test("LaneSet.flush() gives up when its time is over", async () => {
  const bench = new LaneBench();
  const told = askBehindSet(bench);
  await bench.clock.advance(100);
  assertEquals(told, [false]);
});

Deno.test("LaneSet.flush() lets the sockets have their turn where a lane that ends refuses it", async () => {
  const bench = new LaneBench();
  bench.submit("set");
  const connection = await bench.open();
  let asked = 0;
  connection.send = (command) => {
    asked++;
    command.tracking.owner.failed(command, new Error("not writable"), "never-sent");
  };
  const told: boolean[] = [];
  void bench.lanes.flush(100).then((flushed) => told.push(flushed));
  await bench.clock.advance(50);
  assert(asked > 1 && asked <= 6, `asked ${asked} times in 50 ms`);
  connection.answer();
  connection.end();
  await bench.clock.advance(10);
  assertEquals(told, [true]);
});
