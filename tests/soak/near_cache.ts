/**
 * The long form of the near cache's coherence checker: writers and readers while connections
 * are killed and the server freezes, is flushed and restarts.
 *
 *     deno run -A tests/soak/near_cache.ts [--minutes N]
 *
 * Ends with 1 if a read gave what was known to be old. Default: 30 minutes.
 *
 * @module
 */
import type { ManagerOptions } from "../../mod.ts";
import { RedisServer } from "../../src/testing/redis_server.ts";
import { delay } from "../../src/testing/wait.ts";
import { CoherenceChecker, readersOf } from "../support/coherence.ts";

/** Time between two faults, in milliseconds. */
const FAULT_EVERY_MS = 2000;
/** Faults between two comparisons at rest. */
const FAULTS_BETWEEN_RESTS = 5;

const FAULTS: readonly ((server: RedisServer) => Promise<unknown>)[] = [
  (server) => server.cli("CLIENT", "KILL", "TYPE", "normal"),
  async (server) => {
    const rows = await server.clientList("mooring:near:lane");
    const row = rows[Math.floor(Math.random() * rows.length)];
    if (row !== undefined) await server.cli("CLIENT", "KILL", "ID", String(row.id));
  },
  async (server) => {
    server.pause();
    await delay(Math.random() * 1500);
    server.resume();
  },
  (server) => server.cli("FLUSHALL"),
  (server) => server.cli("CLIENT", "PAUSE", "300", "WRITE"),
  async (server) => {
    await server.kill();
    await server.restart();
  },
];

if (import.meta.main) {
  const at = Deno.args.indexOf("--minutes");
  const minutes = at < 0 ? 30 : Number(Deno.args[at + 1]);
  await using server = await RedisServer.start();
  const base: ManagerOptions = {
    host: server.host,
    port: server.port,
    connectRetry: { attempts: 20, minMs: 20, maxMs: 200 },
  };
  await using checker = new CoherenceChecker({
    readers: readersOf(base),
    others: { ...base, databases: { near: { db: 0 } } },
    seed: Date.now(),
  });
  checker.start();
  const until = performance.now() + minutes * 60_000;
  for (let n = 1; performance.now() < until; n++) {
    await delay(FAULT_EVERY_MS);
    await FAULTS[Math.floor(Math.random() * FAULTS.length)]!(server);
    if (n % FAULTS_BETWEEN_RESTS > 0) continue;
    await delay(1500);
    await checker.rest();
    if (checker.report.violations.length > 0) break;
  }
  const { violations, ...report } = await checker.stop();
  console.log(report);
  console.log(`${violations.length} violations`, violations.slice(0, 20));
  if (violations.length > 0) Deno.exitCode = 1;
}
