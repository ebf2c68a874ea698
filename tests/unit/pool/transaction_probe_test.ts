/** The first transaction on lanes waits for an empty one, and all that comes behind waits too. */
import { assertEquals, assertInstanceOf } from "@std/assert";
import { LibraryReplyError as ReplyError } from "../../../src/connection/ioredis.ts";
import {
  CommandTimeoutError,
  ConnectionLostError,
  ManagerClosedError,
} from "../../../src/core/errors/mod.ts";
import { type FakeConnection, LaneBench } from "./lane_support.ts";

const PROBE = ["multi", "exec"];
const CHAIN = ["multi", "incr", "exec"];

/** Lanes with one open, and what was called on them: `a`, a transaction, and `b`. */
async function begin(options: { maxLanes?: number; maxWaiting?: number } = {}) {
  const bench = new LaneBench(options);
  void bench.lanes.whenReady();
  const connection = await bench.open();
  bench.submit("first");
  connection.answer();
  bench.submit("a");
  chain(bench);
  bench.submit("b");
  return { bench, connection };
}

function chain(bench: LaneBench, timeoutMs?: number): void {
  bench.lanes.submitBatch(CHAIN.map((name) => bench.command(name, [], timeoutMs)));
}

async function answer(
  bench: LaneBench,
  connection: FakeConnection,
  ...replies: unknown[]
) {
  for (const reply of replies) connection.reply(reply);
  await bench.clock.advance(0);
}

Deno.test("LaneSet holds the first transaction, and what comes behind it, until an empty one has run", async () => {
  const { bench, connection } = await begin();
  assertEquals(connection.names, ["first", "a", ...PROBE]);
  assertEquals(bench.lanes.waiting, 4);
  bench.submit("c");
  await answer(bench, connection, "a", "OK", []);
  assertEquals(connection.names.slice(4), [...CHAIN, "b", "c"]);
  // From then on nothing waits.
  chain(bench);
  bench.submit("d");
  assertEquals(connection.names.slice(9), [...CHAIN, "d"]);
});

Deno.test("LaneSet tries again after a transaction was refused, and where all lanes lead to another server", async () => {
  const { bench, connection } = await begin();
  await answer(bench, connection, "a", "OK", []);
  bench.lanes.transactionRefused();
  chain(bench);
  assertEquals(connection.names.slice(8), PROBE);
  connection.answer(4);
  await answer(bench, connection, "OK", []);
  bench.lanes.replaceAll("another server");
  chain(bench);
  const next = await bench.open();
  assertEquals(next.names, PROBE);
});

Deno.test("LaneSet sends nothing of a transaction that the server refuses, and all the rest in order", async () => {
  const { bench, connection } = await begin({ maxWaiting: 50 });
  const noMulti = new ReplyError("NOPERM no MULTI");
  chain(bench);
  bench.lanes.submitBatch(["x", ...CHAIN, "y"].map((name) => bench.command(name)));
  await answer(bench, connection, "a", noMulti, new ReplyError("ERR EXEC without MULTI"));
  assertEquals(connection.names.slice(4), ["b", "x", "y"]);
  assertEquals(
    bench.failures.map((
      { name, delivery, error },
    ) => [name, delivery, error === noMulti]),
    [...CHAIN, ...CHAIN, ...CHAIN].map((name) => [name, "rejected", true]),
  );
  assertEquals(bench.released, []);
});

Deno.test("LaneSet ends a lane that an EXEC which is refused leaves in a transaction", async () => {
  for (const [text, isEnded] of [["ERR unknown command", true], ["EXECABORT", false]]) {
    const { bench, connection } = await begin();
    await answer(bench, connection, "a", "OK", new ReplyError(text as string));
    assertEquals(bench.failures.map(({ name }) => name), CHAIN);
    assertEquals(connection.isOpen, !isEnded);
    const last = isEnded ? await bench.open() : connection;
    assertEquals(last.names.at(-1), "b");
    if (isEnded) assertEquals(bench.counted, ["lane_released"]);
  }
});

Deno.test("LaneSet keeps the deadlines of what it holds: it never runs", async () => {
  const { bench, connection } = await begin();
  bench.lanes.submit(bench.command("soon", [], 300));
  await bench.clock.advance(299);
  assertEquals(bench.failures, []);
  await bench.clock.advance(1);
  assertEquals(bench.failures.map(({ name }) => name), ["soon"]);
  await bench.clock.advance(700);
  assertEquals(bench.failures.map(({ name }) => name), ["soon", ...CHAIN, "b"]);
  for (const { error, delivery } of bench.failures) {
    assertInstanceOf(error, CommandTimeoutError);
    assertEquals(delivery, "never-sent");
  }
  // What comes before the answer would become a part of the empty transaction.
  bench.submit("late");
  assertEquals(connection.names, ["first", "a", ...PROBE]);
  await answer(bench, connection, "a", "OK", []);
  assertEquals(connection.names.slice(4), ["late"]);
});

Deno.test("LaneSet sends nothing that was given up while it was held", async () => {
  const { bench, connection } = await begin();
  const aborted = CHAIN.map((name) => bench.command(name));
  bench.lanes.submitBatch(aborted);
  for (const { tracking } of aborted) tracking.settled = true;
  bench.submit("c");
  await answer(bench, connection, "a", "OK", []);
  assertEquals(connection.names.slice(4), [...CHAIN, "b", "c"]);
});

Deno.test("LaneSet holds no more than may wait behind a transaction, and the transaction itself always", async () => {
  const { bench, connection } = await begin({ maxWaiting: 0 });
  assertEquals(bench.failures.map(({ name }) => name), ["b"]);
  await answer(bench, connection, "a", "OK", []);
  assertEquals(connection.names.slice(4), CHAIN);
});

Deno.test("LaneSet lets nothing overtake on a lane that opens while an empty transaction is under way", async () => {
  const bench = new LaneBench({ maxLanes: 2 });
  await bench.grow(1);
  const [connection] = bench.connections;
  for (let tick = 0; tick < 8; tick++) {
    connection!.stream.tick++;
    connection!.inFlight = 256;
    bench.submit("busy");
  }
  const before = connection!.names.length;
  chain(bench);
  bench.submit("b");
  const second = await bench.open();
  bench.submit("c");
  assertEquals([connection!.names.slice(before), second.names], [PROBE, []]);
  connection!.inFlight = 2;
  await answer(bench, connection!, "OK", []);
  const sent = [...connection!.names.slice(before + 2), ...second.names];
  assertEquals(sent, [...CHAIN, "b", "c"]);
});

Deno.test("LaneSet tries on the next lane when the first is lost, and what was sent before stays in front", async () => {
  const { bench, connection } = await begin();
  connection.end();
  for (const command of connection.sent.slice(1)) {
    const { owner } = command.tracking;
    const error = new ConnectionLostError("main", command.name, "ambiguous", "reset");
    // The reading one is sent again, as its dispatcher does it.
    if (command.name === "a") bench.lanes.submit(command);
    else owner.failed(command, error, "ambiguous");
  }
  await bench.clock.advance(20);
  const next = await bench.open();
  assertEquals(next.names, PROBE);
  await answer(bench, next, "OK", []);
  assertEquals(next.names.slice(2), ["a", ...CHAIN, "b"]);
  assertEquals(bench.failures, []);
});

Deno.test("LaneSet.close() lets what it holds finish within the drain, and fails it afterwards", async () => {
  for (const isAnswered of [true, false]) {
    const { bench, connection } = await begin();
    const closing = bench.lanes.close(500);
    if (isAnswered) await answer(bench, connection, "a", "OK", []);
    if (isAnswered) connection.answer();
    await bench.clock.advance(500);
    assertEquals(await closing, isAnswered ? 0 : 5 + PROBE.length);
    assertEquals(
      bench.failures.map((
        { name, error },
      ) => [name, error instanceof ManagerClosedError]),
      isAnswered ? [] : [...CHAIN, "b"].map((name) => [name, true]),
    );
  }
});
