import { assertEquals, assertGreaterOrEqual, assertRejects } from "@std/assert";
import { systemClock } from "../../../src/core/clock.ts";
import { drainMicrotasks, FakeClock } from "../../../src/testing/fake_clock.ts";
import { configArgs } from "../../support/child_config.ts";

Deno.test("clock.sleep() resolves when its time has passed", async () => {
  const clock = new FakeClock();
  let woke = -1;
  const slept = clock.sleep(1000).then(() => woke = clock.now());
  await clock.advance(999);
  assertEquals(woke, -1);
  await clock.advance(1);
  await slept;
  assertEquals([woke, clock.pending], [1000, 0]);
});

Deno.test("clock.sleep() rejects with the signal's reason and leaves no timer", async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const reason = new Error("enough");
  const slept = assertRejects(() => clock.sleep(1000, { signal: stop.signal }), Error);
  stop.abort(reason);
  assertEquals([await slept, clock.pending], [reason, 0]);
  const late = assertRejects(() => clock.sleep(1000, { signal: stop.signal }), Error);
  assertEquals([await late, clock.pending], [reason, 0]);
});

Deno.test("clock.sleep() lets go of its signal", async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  let listeners = 0;
  const { signal } = stop;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = function (this: AbortSignal, ...args: unknown[]) {
    listeners++;
    Reflect.apply(addEventListener, this, args);
  };
  signal.removeEventListener = function (this: AbortSignal, ...args: unknown[]) {
    listeners--;
    Reflect.apply(removeEventListener, this, args);
  };
  const slept = clock.sleep(10, { signal });
  assertEquals(listeners, 1);
  await clock.advance(10);
  await slept;
  assertEquals(listeners, 0);
  stop.abort();
  await drainMicrotasks();
});

Deno.test("systemClock.sleep() waits for real time", async () => {
  const before = systemClock.now();
  await systemClock.sleep(20);
  // Timers of the host count whole milliseconds.
  assertGreaterOrEqual(systemClock.now() - before, 18);
});

/** What a program prints that sleeps and then says so. */
async function outputOf(options: string): Promise<string> {
  const { href } = new URL("../../../src/core/clock.ts", import.meta.url);
  const code = `import { systemClock } from "${href}";` +
    `systemClock.sleep(50, ${options}).then(() => console.log("woke"));`;
  const { code: status, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", ...configArgs(), code],
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(status, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

Deno.test("clock.sleep() keeps the process alive, unless ref is false", async () => {
  assertEquals(await outputOf("{}"), "woke\n");
  assertEquals(await outputOf("{ ref: false }"), "");
});
