import { assertEquals } from "@std/assert";
import { LogLimit, MOST_LINES, WINDOW_MS } from "../../../src/observability/logging.ts";
import { FakeClock } from "../../support/fake_clock.ts";

function setup() {
  const clock = new FakeClock();
  const reports: [kind: string, suppressed: number][] = [];
  const limit = new LogLimit(clock, (...report) => reports.push(report));
  const admitted = (kind: string, times: number) => {
    let count = 0;
    for (let i = 0; i < times; i++) if (limit.admits(kind)) count++;
    return count;
  };
  return { clock, reports, limit, admitted };
}

Deno.test("LogLimit.admits() lets ten lines of a kind through, and others of their own", () => {
  const { admitted } = setup();
  assertEquals(MOST_LINES, 10);
  assertEquals(admitted("a", 25), 10);
  assertEquals(admitted("b", 3), 3);
});

Deno.test("LogLimit tells once, when the window ends, how many it held back", async () => {
  const { clock, reports, admitted } = setup();
  admitted("a", 12);
  await clock.advance(WINDOW_MS - 1);
  assertEquals(admitted("a", 5), 0);
  assertEquals(reports, []);
  await clock.advance(1);
  assertEquals(reports, [["a", 7]]);
  assertEquals(admitted("a", 11), 10);
  assertEquals(clock.pending, 1);
});

Deno.test("LogLimit needs no timer as long as nothing is held back", async () => {
  const { clock, reports, admitted } = setup();
  assertEquals(admitted("a", 10), 10);
  assertEquals(clock.pending, 0);
  await clock.advance(WINDOW_MS);
  assertEquals(admitted("a", 10), 10);
  assertEquals([clock.pending, reports], [0, []]);
});

Deno.test("LogLimit.admits() ends a window that is over, although its timer is late", async () => {
  const { clock, reports, admitted } = setup();
  admitted("a", 13);
  clock.freeze(WINDOW_MS * 3);
  assertEquals(admitted("a", 1), 1);
  assertEquals([reports, clock.pending], [[["a", 3]], 0]);
  await clock.advance(WINDOW_MS);
  assertEquals(reports.length, 1);
});

Deno.test("LogLimit.flush() tells of all that was held back, and leaves no timer", () => {
  const { clock, reports, limit, admitted } = setup();
  admitted("a", 11);
  admitted("b", 12);
  admitted("c", 1);
  limit.flush();
  assertEquals(reports, [["a", 1], ["b", 2]]);
  assertEquals(clock.pending, 0);
  limit.flush();
  assertEquals(reports.length, 2);
});
