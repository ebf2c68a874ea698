import { assertEquals, assertRejects } from "@std/assert";
import { hedge } from "../../../src/cluster/discovery.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";

function stage() {
  const clock = new FakeClock();
  const stop = new AbortController();
  return { clock, stop, options: { afterMs: 100, signal: stop.signal, clock } };
}

Deno.test("hedge() asks the next at once when the last has failed, and not after an answer", async () => {
  const { options } = stage();
  const asked: number[] = [];
  const answer = await hedge([
    () => (asked.push(0), Promise.reject(new Error("down"))),
    () => (asked.push(1), Promise.resolve("up")),
    () => (asked.push(2), Promise.resolve("late")),
  ], options);
  assertEquals([answer, asked], ["up", [0, 1]]);
});

Deno.test("hedge() rejects with the last error when all have failed, and with the signal's reason", async () => {
  const { options, stop } = stage();
  const fails = (text: string) => () => Promise.reject(new Error(text));
  await assertRejects(() => hedge([fails("a"), fails("b")], options), Error, "b");
  const given: AbortSignal[] = [];
  const waiting = hedge([(signal) => {
    given.push(signal);
    return new Promise<never>(() => {});
  }], options);
  stop.abort(new Error("enough"));
  await assertRejects(() => waiting, Error, "enough");
  assertEquals(given[0]!.aborted, true);
});
