import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { AcquireTimeoutError } from "../../../src/core/errors/mod.ts";
import type { LeakReport } from "../../../src/pool/types.ts";
import { setUp } from "./setup.ts";

Deno.test("Pool reports a lease that is held for too long, once, with the stack", async () => {
  const reports: LeakReport[] = [];
  const { pool, clock } = setUp({ leakDetectionThresholdMs: 5000 }, undefined, {
    leak: (report) => reports.push(report),
  });
  async function forgetful() {
    return await pool.acquire();
  }
  const one = await forgetful();
  await clock.advance(1000);
  const two = await pool.acquire();
  await clock.advance(3999);
  assertEquals(reports, []);
  await clock.advance(1);
  assertEquals(reports.length, 1);
  const { collected, heldMs, connectionId, stack } = reports[0]!;
  assertEquals({ collected, heldMs, connectionId }, {
    collected: false,
    heldMs: 5000,
    connectionId: one.connection.id,
  });
  assertMatch(stack!, /^at .*forgetful .*pool_leaks_test\.ts/);
  two.release();
  await clock.advance(100_000);
  assertEquals(reports.length, 1);
  // It is still a lease like any other.
  one.release();
  await pool.acquire();
  await clock.advance(5000);
  assertEquals(reports.length, 2);
  await pool.close();
  assertEquals(clock.pending, 0);
});

Deno.test("Pool reports a lease of a caller who waited with the caller's stack", async () => {
  const reports: LeakReport[] = [];
  const { pool, clock } = setUp(
    { maxConnections: 2, leakDetectionThresholdMs: 10 },
    undefined,
    {
      leak: (report) => reports.push(report),
    },
  );
  const first = await pool.acquire();
  const waitsHere = () => pool.acquire();
  const waiting = waitsHere();
  first.release();
  await waiting;
  await clock.advance(10);
  assertMatch(reports[0]!.stack!, /^at .*waitsHere/);
});

Deno.test("AcquireTimeoutError names the oldest holder when leak detection is on", async () => {
  const { pool, clock } = setUp({ maxConnections: 3, leakDetectionThresholdMs: 60_000 });
  const oldestHolder = () => pool.acquire();
  await oldestHolder();
  await clock.advance(500);
  await pool.acquire();
  const call = pool.acquire({ timeoutMs: 100 });
  const [error] = await Promise.all([
    assertRejects(() => call, AcquireTimeoutError),
    clock.advance(100),
  ]);
  assertMatch(
    error.message,
    /waiting 1\); the oldest lease has been held for 600 ms, acquired\nat .*oldestHolder/,
  );
});

Deno.test("Pool takes no stacks, and sets no timer, when leak detection is off", async () => {
  const { pool, clock } = setUp({ maxConnections: 2 });
  (await pool.acquire()).release();
  await clock.advance(10_000);
  await pool.acquire();
  assertEquals(clock.pending, 0);
  const call = pool.acquire({ timeoutMs: 100 });
  const [error] = await Promise.all([
    assertRejects(() => call, AcquireTimeoutError),
    clock.advance(100),
  ]);
  assert(error.message.endsWith("waiting 1)"), error.message);
});

/** Runs what needs a forced garbage collection in a process that has it. */
async function collected(scenario: string): Promise<unknown> {
  const script = new URL("./collect_leases.ts", import.meta.url);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--v8-flags=--expose-gc",
      "--no-config",
      "--no-lock",
      script.href,
      scenario,
    ],
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = new TextDecoder().decode(stdout);
  assertEquals(code, 0, text + new TextDecoder().decode(stderr));
  return JSON.parse(text);
}

Deno.test("Pool reclaims the connection of a lease that was collected, and reports it", async () => {
  const result = await collected("forgotten") as {
    before: unknown;
    after: unknown;
    reports: LeakReport[];
    destroyed: unknown;
    served: number;
  };
  assertEquals(result.before, { leased: 1, waiting: 1, total: 1 });
  // The place went to who waited.
  assertEquals(result.after, { leased: 1, waiting: 0, total: 1 });
  assertEquals(result.served, 2);
  assertEquals(result.destroyed, [{ id: 1, reason: "leaked" }]);
  assertEquals(result.reports.length, 1);
  assertEquals(result.reports[0]!.collected, true);
  assertEquals(result.reports[0]!.connectionId, 1);
  assertMatch(result.reports[0]!.stack!, /at .*forgetful/);
});

Deno.test("Pool keeps no lease alive, however its caller came by it", async () => {
  assertEquals(await collected("kept"), {
    "from an idle connection": "collected",
    "after a wait": "collected",
    "with leak detection": "collected",
    "after a release": "collected",
    "still held": "alive",
    leased: 1,
    reports: 3,
  });
});
