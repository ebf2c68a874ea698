import { assertEquals } from "@std/assert";
import { LaneBench } from "./lane_support.ts";

/** Looks for a surplus every minute, as the reaper does. */
async function minutes(bench: LaneBench, count: number, each = () => {}) {
  let ended = 0;
  for (let i = 0; i < count; i++) {
    each();
    await bench.clock.advance(60_000);
    ended += bench.lanes.shrink();
  }
  await bench.clock.advance(10);
  return ended;
}

Deno.test("LaneSet.shrink() ends what is not needed any more, one lane an idle timeout", async () => {
  const bench = new LaneBench({ maxLanes: 3, idleTimeoutMs: 300_000 });
  await bench.grow(3);
  assertEquals([await minutes(bench, 5), bench.lanes.size], [0, 3]);
  assertEquals([await minutes(bench, 1), bench.lanes.size], [1, 2]);
  assertEquals([await minutes(bench, 4), bench.lanes.size], [0, 2]);
  assertEquals([await minutes(bench, 1), bench.lanes.size], [1, 1]);
  assertEquals([await minutes(bench, 100), bench.lanes.size], [0, 1]);
  assertEquals(bench.counted, ["idle_timeout", "idle_timeout"]);
  assertEquals(bench.connections.map(({ isOpen }) => isOpen), [true, false, false]);
  bench.submit("still served");
  assertEquals(bench.connections[0]!.names.at(-1), "still served");
});

Deno.test("LaneSet.shrink() ends no lane that was needed for a moment of each idle timeout", async () => {
  const bench = new LaneBench({ maxLanes: 2, idleTimeoutMs: 300_000 });
  await bench.grow(2);
  let minute = 0;
  const ended = await minutes(bench, 30, () => {
    if (minute++ % 5 !== 0) return;
    for (const connection of bench.connections) connection.inFlight = 64;
    bench.submit("busy");
    for (const connection of bench.connections) connection.answer();
  });
  assertEquals([ended, bench.lanes.size], [0, 2]);
});

Deno.test("LaneSet.shrink() keeps a lane for large commands as long as there are some", async () => {
  const bench = new LaneBench({ maxLanes: 2, idleTimeoutMs: 60_000 });
  await bench.grow(2);
  const ended = await minutes(bench, 10, () => {
    bench.lanes.submit(bench.command("large", ["x".repeat(64 * 1024)]));
    for (const connection of bench.connections) connection.answer();
  });
  assertEquals([ended, bench.lanes.size], [0, 2]);
});

Deno.test("LaneSet does not flap: what made it shrink does not make it grow", async () => {
  const bench = new LaneBench({ maxLanes: 2, idleTimeoutMs: 60_000 });
  await bench.grow(2);
  // Just below what keeps two lanes, all of it on the one that is left.
  const ended = await minutes(bench, 3, () => {
    for (const connection of bench.connections) connection.inFlight = 63;
    bench.submit("x");
    for (const connection of bench.connections) connection.answer();
  });
  assertEquals([ended, bench.lanes.size], [1, 1]);
  const [left] = bench.connections;
  for (let tick = 0; tick < 1000; tick++) {
    left!.stream.tick++;
    left!.inFlight = 2 * 63;
    bench.submit("x");
  }
  assertEquals(bench.opening, 0);
});

Deno.test("LaneSet.shrink() lets what is in flight be answered first", async () => {
  const bench = new LaneBench({ maxLanes: 2, idleTimeoutMs: 60_000 });
  await bench.grow(2);
  const [one, two] = bench.connections;
  one!.inFlight = 2;
  two!.inFlight = 1;
  await minutes(bench, 2);
  assertEquals([bench.lanes.size, two!.isOpen, bench.lanes.inFlight], [1, true, 3]);
  two!.inFlight = 0;
  await bench.clock.advance(10);
  assertEquals([one!.isOpen, two!.isOpen], [true, false]);
});

Deno.test("LaneSet.shrink() waits for all of the idle timeout, and for ever without one", async () => {
  for (const idleTimeoutMs of [1000, 0]) {
    const bench = new LaneBench({ maxLanes: 2, idleTimeoutMs });
    await bench.grow(2);
    assertEquals(bench.lanes.shrink(), 0);
    await bench.clock.advance(999);
    assertEquals(bench.lanes.shrink(), 0);
    await bench.clock.advance(1);
    assertEquals(bench.lanes.shrink(), idleTimeoutMs === 0 ? 0 : 1);
    await bench.clock.advance(1e9);
    assertEquals(bench.lanes.shrink(), 0);
  }
});
