/**
 * What a configuration costs. Cold: a fresh process loads a file of 14 databases, beside one
 * that imports ioredis; the numbers are the processes' own, printed before the benchmarks.
 * Warm: the steps of a load in this process. Run: `deno bench -A bench/config_bench.ts`.
 */
import { RedisConfigLoader } from "../src/config/mod.ts";
import { EnvReader } from "../src/config/sources/environment.ts";
import { readYaml } from "../src/config/sources/yaml.ts";
import { locateYaml } from "../src/config/sources/yaml_positions.ts";
import { local, runDeno } from "../tests/live/config/run_child.ts";

const FILE = local("../../unit/config/fixtures/fourteen-databases.yaml");
const ROUNDS = 9;

/** The median of what a script prints under a name, over some fresh processes each. */
async function coldMedians(): Promise<Record<string, number>> {
  const found: Record<string, number[]> = {};
  for (let round = 0; round < ROUNDS; round++) {
    for (
      const [name, script, key] of [
        ["import ./config", "time_load.ts", "importMs"],
        ["load 14 databases", "time_load.ts", "loadMs"],
        ["import ioredis", "time_ioredis.ts", "importMs"],
      ] as const
    ) {
      const { stdout } = await runDeno(["run", "-A", local(script), FILE]);
      (found[name] ??= []).push(JSON.parse(stdout)[key]);
    }
  }
  return Object.fromEntries(
    Object.entries(found).map(([name, list]) => [
      name,
      list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)]!,
    ]),
  );
}

console.log(`cold, median of ${ROUNDS} processes:`);
for (const [name, ms] of Object.entries(await coldMedians())) {
  console.log(`  ${name.padEnd(20)} ${ms.toFixed(1).padStart(6)} ms`);
}

const text = await Deno.readTextFile(FILE);
const env = new EnvReader({});
const group = "14 databases, warm";

Deno.bench({
  name: "load a file",
  group,
  baseline: true,
  async fn() {
    await RedisConfigLoader.load({ yamlPath: FILE, env: {} });
  },
});
Deno.bench({
  name: "load a text",
  group,
  fn() {
    RedisConfigLoader.loadSync({ yamlText: text, env: {} });
  },
});
Deno.bench({
  name: "read the YAML",
  group,
  fn() {
    readYaml(text, "bench", env);
  },
});
Deno.bench({
  name: "find the positions",
  group,
  fn() {
    locateYaml(text);
  },
});

const config = RedisConfigLoader.loadSync({ yamlText: text, env: {} });
Deno.bench({
  name: "explain all",
  group: "questions",
  baseline: true,
  fn() {
    config.explain();
  },
});
Deno.bench({
  name: "origin of one value",
  group: "questions",
  fn() {
    config.origin("databases.codebase.maxConnections");
  },
});
Deno.bench({
  name: "add a database",
  group: "questions",
  fn() {
    config.resolveDatabase("carts", { db: 12 });
  },
});
