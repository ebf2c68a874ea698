import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import type { SlotRange } from "../../../src/cluster/slot_map.ts";
import { ClusterDirectory } from "../../../src/cluster/slot_map_cache.ts";
import { drainMicrotasks, FakeClock } from "../../support/fake_clock.ts";

const A = { host: "a", port: 7000 };
const B = { host: "b", port: 7000 };
const RANGES = [{ first: 0, last: 16_383, node: A }];

/** A directory whose questions are answered when the test says so. */
function makeDirectory() {
  const clock = new FakeClock();
  const asked: (PromiseWithResolvers<readonly SlotRange[]> & { signal: AbortSignal })[] =
    [];
  let [changes, failures] = [0, 0];
  const directory = new ClusterDirectory({
    ask: (signal) => {
      const question = Promise.withResolvers<readonly SlotRange[]>();
      asked.push({ ...question, signal });
      return question.promise;
    },
    changed: () => void changes++,
    failed: () => void failures++,
    clock,
  });
  return { asked, clock, directory, told: () => ({ changes, failures }) };
}

Deno.test("ClusterDirectory asks once for all who wait, and tells them when something is known", async () => {
  const { asked, directory, told } = makeDirectory();
  const waiting = [directory.ready(), directory.ready()];
  assertEquals([asked.length, directory.isKnown], [1, false]);
  asked[0]!.resolve(RANGES);
  await Promise.all(waiting);
  assertStrictEquals(directory.map.ownerOf(5), A);
  assertEquals(told(), { changes: 1, failures: 0 });
  await directory.ready();
  directory.close(new Error("over"));
});

Deno.test("ClusterDirectory tells those who wait when nobody answers, and asks again later", async () => {
  const { asked, clock, directory, told } = makeDirectory();
  const waiting = directory.ready();
  asked[0]!.reject(new Error("refused"));
  await assertRejects(() => waiting, Error, "refused");
  assertEquals(told(), { changes: 0, failures: 1 });
  const again = directory.ready();
  await clock.advance(500);
  asked[1]!.resolve(RANGES);
  await again;
  directory.close(new Error("over"));
});

Deno.test("ClusterDirectory lets go who gives up waiting, and goes on asking for others", async () => {
  const { asked, directory } = makeDirectory();
  const stop = new AbortController();
  const impatient = directory.ready(stop.signal);
  const patient = directory.ready();
  stop.abort(new Error("enough"));
  await assertRejects(() => impatient, Error, "enough");
  await assertRejects(() => directory.ready(stop.signal), Error, "enough");
  asked[0]!.resolve(RANGES);
  await patient;
  directory.close(new Error("over"));
});

Deno.test("ClusterDirectory believes a MOVED at once, and asks for the rest", async () => {
  const { asked, clock, directory } = makeDirectory();
  const waiting = directory.ready();
  asked[0]!.resolve(RANGES);
  await waiting;
  directory.moved(5, B);
  assertEquals([directory.map.ownerOf(5), directory.map.ownerOf(6)], [B, A]);
  await clock.advance(500);
  assertEquals(asked.length, 2);
  directory.close(new Error("over"));
});

Deno.test("ClusterDirectory fails those who wait when it is closed, and those who come later", async () => {
  const { asked, directory } = makeDirectory();
  const waiting = directory.ready();
  directory.close(new Error("over"));
  await assertRejects(() => waiting, Error, "over");
  assertEquals(asked[0]!.signal.aborted, true);
  let late = "waits for ever";
  directory.ready().catch((error: Error) => late = error.message);
  await drainMicrotasks();
  assertEquals(late, "over");
});
