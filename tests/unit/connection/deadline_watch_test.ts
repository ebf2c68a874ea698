import { assertEquals } from "@std/assert";
import { DeadlineWatch } from "../../../src/connection/liveness.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";

function watchOn(clock: FakeClock, judge: () => number) {
  const socket = { bytes: 0, isOpen: true };
  const watch = new DeadlineWatch(clock, {
    get isOpen() {
      return socket.isOpen;
    },
    get bytesReceived() {
      return socket.bytes;
    },
    checkDeadlines: judge,
  });
  return { socket, watch };
}

Deno.test("DeadlineWatch checks once for the nearest of many deadlines", async () => {
  const clock = new FakeClock();
  const judged: number[] = [];
  const { watch } = watchOn(clock, () => {
    judged.push(clock.now());
    return Infinity;
  });
  for (const deadline of [300, 100, 200]) watch.add(clock.now() + deadline);
  const startedAt = clock.now();
  await clock.advance(1000);
  assertEquals(judged.length, 1);
  // Two quiet looks lie between the deadline and the judgement.
  assertEquals(judged[0]! - startedAt >= 100 && judged[0]! - startedAt <= 120, true);
});

Deno.test("DeadlineWatch continues with the deadline that the check returns", async () => {
  const clock = new FakeClock();
  const startedAt = clock.now();
  const judged: number[] = [];
  const { watch } = watchOn(clock, () => {
    judged.push(clock.now() - startedAt);
    return judged.length === 1 ? startedAt + 500 : Infinity;
  });
  watch.add(startedAt + 100);
  await clock.advance(2000);
  assertEquals(judged.length, 2);
  assertEquals(judged[1]! >= 500 && judged[1]! <= 520, true);
});

Deno.test("DeadlineWatch lets arrived replies be read before it checks, for a limited time", async () => {
  const clock = new FakeClock();
  const startedAt = clock.now();
  let judgedAt = -1;
  let bytes = 0;
  const watch = new DeadlineWatch(clock, {
    isOpen: true,
    // There is more at each look.
    get bytesReceived() {
      return bytes++;
    },
    checkDeadlines: () => {
      judgedAt = clock.now() - startedAt;
      return Infinity;
    },
  });
  watch.add(startedAt + 100);
  await clock.advance(1000);
  assertEquals(judgedAt >= 150 && judgedAt <= 160, true, `judged after ${judgedAt} ms`);
});

Deno.test("DeadlineWatch does not check a connection that has ended, nor after stop()", async () => {
  const clock = new FakeClock();
  let judged = 0;
  const judge = () => {
    judged++;
    return Infinity;
  };
  const ended = watchOn(clock, judge);
  ended.watch.add(clock.now() + 100);
  ended.socket.isOpen = false;
  const stopped = watchOn(clock, judge);
  stopped.watch.add(clock.now() + 100);
  stopped.watch.stop();
  await clock.advance(1000);
  assertEquals(judged, 0);
});

Deno.test("DeadlineWatch starts again when the process is blocked during the reading", async () => {
  const clock = new FakeClock();
  const startedAt = clock.now();
  const judged: number[] = [];
  const { socket, watch } = watchOn(clock, () => {
    judged.push(clock.now() - startedAt);
    return Infinity;
  });
  watch.add(startedAt + 100);
  await clock.advance(104);
  // In the middle of its looks the process stands still, and bytes come meanwhile.
  clock.freeze(1000);
  await clock.advance(50);
  assertEquals(judged, []);
  socket.bytes++;
  await clock.advance(60);
  assertEquals(judged, []);
  await clock.advance(2000);
  assertEquals(judged.length, 1);
});

Deno.test("DeadlineWatch.stop() leaves no timer, whatever is added afterwards", async () => {
  const clock = new FakeClock();
  const { watch } = watchOn(clock, () => {
    throw new Error("judged");
  });
  watch.add(clock.now() + 100);
  watch.stop();
  // A command that is sent on a connection which has ended.
  watch.add(clock.now() + 50);
  assertEquals(clock.pending, 0);
  await clock.advance(1000);
});
