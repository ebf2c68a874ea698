// Runs alone: it compares times.
import { assert, assertEquals } from "@std/assert";
import { local, runDeno } from "./run_child.ts";

const FILE = local("../../unit/config/fixtures/fourteen-databases.yaml");
const ROUNDS = 5;

async function measure(
  script: string,
  ...args: string[]
): Promise<Record<string, number>> {
  const { stdout } = await runDeno(["run", "-A", local(script), ...args]);
  return JSON.parse(stdout);
}

Deno.test("loading a file of 14 databases, cold, costs less than importing ioredis", async () => {
  const loads: number[] = [];
  const imports: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const load = await measure("time_load.ts", FILE);
    assertEquals(load.databases, 14);
    loads.push(load.loadMs!);
    imports.push((await measure("time_ioredis.ts")).importMs!);
  }
  // The least is what it costs; all else is what else the machine did.
  const [load, ioredis] = [Math.min(...loads), Math.min(...imports)];
  assert(load < ioredis, `load ${load.toFixed(1)} ms, ioredis ${ioredis.toFixed(1)} ms`);
});
