import { assertEquals, assertStringIncludes } from "@std/assert";
import { duration, Progress, progressLine } from "../../../src/cli/progress.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";
import { testIo } from "./_io.ts";

const CLEAR = "\r\x1b[2K";

Deno.test("Progress draws nothing for what is over within a second", async () => {
  const clock = new FakeClock();
  const io = testIo({ isErrTerminal: true });
  {
    using progress = new Progress(io, "looking", clock);
    progress.update(1, 2, "");
    await clock.advance(999);
    assertEquals(io.said, []);
  }
  await clock.advance(10_000);
  assertEquals(io.said, []);
});

Deno.test("Progress draws after a second, goes on, and leaves an empty line", async () => {
  const clock = new FakeClock();
  const io = testIo({ isErrTerminal: true });
  {
    using progress = new Progress(io, "looking", clock);
    progress.update(0, 4, "cache");
    await clock.advance(1000);
    assertEquals(io.said.length, 1);
    assertStringIncludes(io.said[0]!, `${CLEAR}looking [......`);
    assertStringIncludes(io.said[0]!, "0/4 1 s cache");
    progress.update(2, 4, "cache");
    await clock.advance(1000);
    assertStringIncludes(io.said.at(-1)!, `[${"#".repeat(12)}${".".repeat(12)}] 2/4`);
    assertStringIncludes(io.said.at(-1)!, "2 s left");
    await clock.advance(100);
  }
  assertEquals(io.said.at(-1), CLEAR);
  const count = io.said.length;
  await clock.advance(10_000);
  assertEquals(io.said.length, count);
});

Deno.test("Progress is not drawn where standard error is no terminal", async () => {
  const clock = new FakeClock();
  const io = testIo();
  using progress = new Progress(io, "looking", clock);
  progress.update(1, 2, "");
  await clock.advance(5000);
  assertEquals(io.said, []);
});

Deno.test("progressLine() fits the terminal, and shows time alone without a total", () => {
  const state = { label: "reading", done: 0, total: 0, note: "", elapsedMs: 61_400 };
  assertEquals(progressLine({ ...state, columns: 80 }), "reading 1 min 01 s");
  assertEquals(progressLine({ ...state, columns: 8 }), "reading");
  const many = { ...state, total: 3, done: 3, columns: 200 };
  assertStringIncludes(progressLine(many), "#] 3/3 0 s left");
});

Deno.test("duration() is for people", () => {
  const texts = [0, 7600, 59_400, 125_000, 4_200_000, -5].map(duration);
  assertEquals(texts, ["0 s", "8 s", "59 s", "2 min 05 s", "1 h 10 min", "0 s"]);
});
