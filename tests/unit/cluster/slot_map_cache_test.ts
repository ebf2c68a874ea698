import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { SlotMapCache } from "../../../src/cluster/slot_map_cache.ts";
import type { SlotRange } from "../../../src/cluster/slots.ts";
import { drainMicrotasks, FakeClock } from "../../../src/testing/fake_clock.ts";

const A = { host: "a", port: 7000 };
const B = { host: "b", port: 7000 };
const RANGES = [{ first: 0, last: 16_383, node: A }];

/** A cache whose loads end when the test says so. */
function makeCache() {
  const clock = new FakeClock();
  const loads: (PromiseWithResolvers<readonly SlotRange[]> & { signal: AbortSignal })[] =
    [];
  let [changes, failures] = [0, 0];
  const cache = new SlotMapCache({
    load: (signal) => {
      const load = Promise.withResolvers<readonly SlotRange[]>();
      loads.push({ ...load, signal });
      return load.promise;
    },
    changed: () => void changes++,
    failed: () => void failures++,
    clock,
  });
  return { loads, clock, cache, calls: () => ({ changes, failures }) };
}

Deno.test("SlotMapCache loads once for all callers that wait, and resolves them when a map is known", async () => {
  const { loads, cache, calls } = makeCache();
  const waiting = [cache.ready(), cache.ready()];
  assertEquals([loads.length, cache.isKnown], [1, false]);
  loads[0]!.resolve(RANGES);
  await Promise.all(waiting);
  assertStrictEquals(cache.map.ownerOf(5), A);
  assertEquals(calls(), { changes: 1, failures: 0 });
  await cache.ready();
  cache.close(new Error("over"));
});

Deno.test("SlotMapCache rejects the callers that wait when no node answers, and loads again later", async () => {
  const { loads, clock, cache, calls } = makeCache();
  const waiting = cache.ready();
  loads[0]!.reject(new Error("refused"));
  await assertRejects(() => waiting, Error, "refused");
  assertEquals(calls(), { changes: 0, failures: 1 });
  const again = cache.ready();
  await clock.advance(500);
  loads[1]!.resolve(RANGES);
  await again;
  cache.close(new Error("over"));
});

Deno.test("SlotMapCache rejects a caller that gives up waiting, and goes on loading for others", async () => {
  const { loads, cache } = makeCache();
  const stop = new AbortController();
  const impatient = cache.ready(stop.signal);
  const patient = cache.ready();
  stop.abort(new Error("enough"));
  await assertRejects(() => impatient, Error, "enough");
  await assertRejects(() => cache.ready(stop.signal), Error, "enough");
  loads[0]!.resolve(RANGES);
  await patient;
  cache.close(new Error("over"));
});

Deno.test("SlotMapCache applies a MOVED at once, and loads the rest", async () => {
  const { loads, clock, cache } = makeCache();
  const waiting = cache.ready();
  loads[0]!.resolve(RANGES);
  await waiting;
  cache.redirected({ kind: "moved", slot: 5, node: B });
  assertEquals([cache.map.ownerOf(5), cache.map.ownerOf(6)], [B, A]);
  await clock.advance(500);
  assertEquals(loads.length, 2);
  cache.close(new Error("over"));
});

Deno.test("SlotMapCache.isMoving() holds for 5 s after the last redirect", async () => {
  const { clock, cache } = makeCache();
  assertEquals(cache.isMoving(5), false);
  cache.redirected({ kind: "ask", slot: 5, node: B });
  cache.moves(6);
  assertEquals([cache.isMoving(5), cache.isMoving(6), cache.isMoving(7)], [
    true,
    true,
    false,
  ]);
  await clock.advance(3000);
  cache.moves(6);
  await clock.advance(2000);
  assertEquals([cache.isMoving(5), cache.isMoving(6)], [false, true]);
  assertEquals(cache.map.ownerOf(5), undefined, "an ASK says nothing of the owner");
  cache.close(new Error("over"));
});

Deno.test("SlotMapCache rejects callers when it is closed, those that wait and those that come later", async () => {
  const { loads, cache } = makeCache();
  const waiting = cache.ready();
  cache.close(new Error("over"));
  await assertRejects(() => waiting, Error, "over");
  assertEquals(loads[0]!.signal.aborted, true);
  let late = "waits for ever";
  cache.ready().catch((error: Error) => late = error.message);
  await drainMicrotasks();
  assertEquals(late, "over");
});

Deno.test("SlotMapCache.refresh() loads at once, and once for many requests", () => {
  const { cache, loads } = makeCache();
  assertEquals(loads.length, 0);
  for (let i = 0; i < 100; i++) cache.refresh();
  assertEquals(loads.length, 1);
});

Deno.test("SlotMapCache.refresh() loads once more for what was requested meanwhile, after the gap", async () => {
  const { cache, clock, loads } = makeCache();
  for (let i = 0; i < 3; i++) cache.refresh();
  await clock.advance(150);
  loads[0]!.resolve(RANGES);
  await drainMicrotasks();
  await clock.advance(349);
  assertEquals(loads.length, 1);
  await clock.advance(1);
  assertEquals(loads.length, 2);
  loads[1]!.resolve(RANGES);
  await clock.advance(5000);
  assertEquals([loads.length, clock.pending], [2, 0]);
});

Deno.test("SlotMapCache never loads twice at a time, however long one takes", async () => {
  const { cache, clock, loads } = makeCache();
  cache.refresh();
  await clock.advance(5000);
  cache.refresh();
  await clock.advance(5000);
  assertEquals(loads.length, 1);
  loads[0]!.resolve(RANGES);
  await drainMicrotasks();
  assertEquals(loads.length, 2);
});

Deno.test("SlotMapCache delays a load that is requested too soon after the last", async () => {
  const { cache, clock, loads } = makeCache();
  cache.refresh();
  loads[0]!.resolve(RANGES);
  await drainMicrotasks();
  cache.refresh();
  cache.refresh();
  await clock.advance(499);
  assertEquals(loads.length, 1);
  await clock.advance(1);
  assertEquals(loads.length, 2);
});

Deno.test("SlotMapCache loads again after a load that failed", async () => {
  const { cache, clock, loads } = makeCache();
  cache.refresh();
  loads[0]!.reject(new Error("nobody answers"));
  await drainMicrotasks();
  assertEquals(loads.length, 1);
  await clock.advance(500);
  cache.refresh();
  assertEquals(loads.length, 2);
});

Deno.test("SlotMapCache.close() ends a load that runs or waits, and loads no more", async () => {
  const running = makeCache();
  running.cache.refresh();
  running.cache.refresh();
  running.cache.close(new Error("over"));
  assertEquals(running.loads[0]!.signal.aborted, true);
  running.loads[0]!.resolve(RANGES);
  await running.clock.advance(5000);
  running.cache.refresh();
  assertEquals([running.loads.length, running.cache.isKnown], [1, false]);

  const pausing = makeCache();
  pausing.cache.refresh();
  pausing.loads[0]!.resolve(RANGES);
  await drainMicrotasks();
  pausing.cache.refresh();
  pausing.cache.close(new Error("over"));
  assertEquals(pausing.clock.pending, 0);
  await pausing.clock.advance(5000);
  assertEquals(pausing.loads.length, 1);
});

Deno.test("SlotMapCache.loadedSince() waits for a load that has started late enough, and gives up with one that fails", async () => {
  const { loads, clock, cache } = makeCache();
  void cache.ready();
  loads[0]!.resolve(RANGES);
  await drainMicrotasks();
  await cache.loadedSince(clock.now());
  assertEquals(loads.length, 1);
  await clock.advance(600);
  let isOver = false;
  const over = cache.loadedSince(clock.now()).then(() => isOver = true);
  await drainMicrotasks();
  assertEquals([loads.length, isOver], [2, false]);
  loads[1]!.reject(new Error("refused"));
  await over;
  // One that started too early is waited for, and then the next.
  await clock.advance(600);
  cache.refresh();
  await clock.advance(100);
  const late = cache.loadedSince(clock.now());
  loads[2]!.resolve(RANGES);
  await drainMicrotasks();
  await clock.advance(400);
  loads[3]!.resolve(RANGES);
  await late;
  const closed = cache.loadedSince(Infinity);
  cache.close(new Error("over"));
  await closed;
});
