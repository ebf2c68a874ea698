/**
 * Run by pool_leaks_test.ts in a process with `--expose-gc`: forgets leases, has them
 * collected, and prints what became of them as JSON.
 */
import { systemClock } from "../../../src/core/clock.ts";
import type { Lease } from "../../../src/pool/lease.ts";
import { Pool } from "../../../src/pool/pool.ts";
import type { LeakReport } from "../../../src/pool/types.ts";
import { type FakeConnection, FakeDriver } from "./fake_driver.ts";
import { BASIC } from "./setup.ts";

const { gc } = globalThis as { gc?: () => void };

function makePool(maxConnections: number, leakDetectionThresholdMs: number) {
  const driver = new FakeDriver();
  const reports: LeakReport[] = [];
  const options = { ...BASIC, maxConnections, leakDetectionThresholdMs, maxWaiting: 10 };
  const pool = new Pool(options, driver, systemClock, {
    leak: (report) => reports.push(report),
  });
  return { pool, driver, reports };
}

/** Collects until something holds, for 5 s at most. */
async function collectUntil(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !holds(); i++) {
    gc!();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function forgotten() {
  const { pool, driver, reports } = makePool(2, 60_000);
  const forgetful = async () => void (await pool.acquire());
  await forgetful();
  const waiting = pool.acquire({ timeoutMs: 30_000 });
  const pick = () => {
    const { leased, waiting, total } = pool.numbers();
    return { leased, waiting, total };
  };
  const before = pick();
  await collectUntil(() => reports.length > 0);
  const lease = await waiting;
  const { destroyed } = driver;
  const served = lease.connection.id;
  return { before, after: pick(), reports, destroyed, served };
}

async function kept() {
  const { pool, reports } = makePool(20, 0);
  const detecting = makePool(20, 60_000);
  const single = makePool(2, 0);
  const refs: Record<string, WeakRef<Lease<FakeConnection>>> = {};
  const forget = async (
    name: string,
    call: Promise<Lease<FakeConnection>>,
    release = false,
  ) => {
    const lease = await call;
    refs[name] = new WeakRef(lease);
    if (release) lease.release();
  };
  (await pool.acquire()).release();
  await forget("from an idle connection", pool.acquire());
  const first = await single.pool.acquire();
  const waiting = forget("after a wait", single.pool.acquire({ timeoutMs: 60_000 }));
  first.release();
  await waiting;
  await forget("with leak detection", detecting.pool.acquire());
  await forget("after a release", pool.acquire(), true);
  const held = await pool.acquire();
  refs["still held"] = new WeakRef(held);
  const all = () => [...reports, ...detecting.reports, ...single.reports];
  await collectUntil(() => all().length >= 3);
  const fates = Object.entries(refs).map((
    [name, ref],
  ) => [name, ref.deref() === undefined ? "collected" : "alive"]);
  held.connection;
  return {
    ...Object.fromEntries(fates),
    leased: pool.numbers().leased,
    reports: all().length,
  };
}

if (import.meta.main) {
  const result = Deno.args[0] === "kept" ? await kept() : await forgotten();
  console.log(JSON.stringify(result));
}
