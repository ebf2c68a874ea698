import { assertEquals } from "@std/assert";
import { FakeClock } from "../../../src/testing/fake_clock.ts";
import { ReadBudget } from "../../../src/transport/fair_reading.ts";

const FULL = new Uint8Array(64 * 1024);

/** A turn whose chunks take their time. */
function setUp(costMs: number, isSecure = false) {
  const clock = new FakeClock();
  let dealt = 0;
  const data = () => {
    dealt++;
    clock.freeze(costMs);
  };
  const turn = new ReadBudget(clock, { data }, isSecure);
  return { clock, turn, dealt: () => dealt };
}

Deno.test("ReadBudget.take() pauses a socket that was read for 60 ms while no other was", async () => {
  const { turn, dealt } = setUp(4);
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 14; i++) assertEquals(turn.take(FULL), undefined);
    const over = turn.take(FULL);
    assertEquals(over instanceof Promise, true);
    await over;
  }
  assertEquals(dealt(), 45);
});

Deno.test("ReadBudget.take() pauses no socket between whose chunks the event loop goes round", async () => {
  const { turn, dealt } = setUp(59);
  for (let i = 0; i < 100; i++) {
    assertEquals(turn.take(FULL), undefined);
    await null;
  }
  assertEquals(dealt(), 100);
});

Deno.test("ReadBudget.take() never pauses after a chunk that has not filled the buffer", () => {
  const { turn, dealt } = setUp(100);
  const part = FULL.subarray(1);
  for (let i = 0; i < 10; i++) assertEquals(turn.take(part), undefined);
  assertEquals(dealt(), 10);
});

Deno.test("ReadBudget.take() counts large chunks between full ones", () => {
  const { turn } = setUp(10);
  const part = FULL.subarray(0, 16 * 1024);
  for (let i = 0; i < 3; i++) {
    assertEquals([turn.take(FULL), turn.take(part)], [undefined, undefined]);
  }
  assertEquals(turn.take(FULL) instanceof Promise, true);
});

Deno.test("ReadBudget.take() continues only when the event loop went round", async () => {
  const clock = new FakeClock();
  const looked: (() => void)[] = [];
  clock.afterPoll = (fn) => void looked.push(fn);
  const turn = new ReadBudget(clock, { data: () => clock.freeze(61) }, false);
  let goesOn = false;
  const over = turn.take(FULL)!.then(() => goesOn = true);
  await clock.advance(1000);
  assertEquals(goesOn, false);
  for (const fn of looked) fn();
  await over;
  assertEquals(goesOn, true);
});

Deno.test("ReadBudget.take() pauses after a full TLS record as after a full buffer", async () => {
  const { turn } = setUp(20, true);
  const record = FULL.subarray(0, 16 * 1024);
  const part = record.subarray(1);
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 2; i++) assertEquals(turn.take(record), undefined);
    assertEquals(turn.take(part), undefined);
    await turn.take(record);
  }
  assertEquals(turn.take(record), undefined);
});
