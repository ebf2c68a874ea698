/**
 * What a configuration costs. Cold: a fresh process loads a file of 14 databases, beside one
 * that imports ioredis; the numbers are the processes' own, printed before the benchmarks.
 * Warm: the steps of a load in this process. Run: `deno bench -A bench/config_bench.ts`.
 */
import { RedisConfigLoader } from "../src/config/main.ts";
import { EnvReader } from "../src/config/sources/environment.ts";
import { readYaml } from "../src/config/sources/yaml.ts";
import { locateYaml } from "../src/config/sources/yaml_positions.ts";
import { inTurns, median } from "./kit.ts";
import { local, runDeno } from "../tests/live/config/run_child.ts";

const FILE = local("../../unit/config/fixtures/fourteen-databases.yaml");
const ROUNDS = 9;

const PROGRAMS = [
  { name: "import ./config", script: "time_load.ts", key: "importMs" },
  { name: "load 14 databases", script: "time_load.ts", key: "loadMs" },
  { name: "import ioredis", script: "time_ioredis.ts", key: "importMs" },
] as const;

const found = await inTurns(
  PROGRAMS,
  ROUNDS,
  async ({ key, script }): Promise<number> => {
    const { stdout } = await runDeno(["run", "-A", local(script), FILE]);
    return JSON.parse(stdout)[key];
  },
  0,
);
console.log(`cold, median of ${ROUNDS} processes:`);
for (const [{ name }, times] of found) {
  console.log(`  ${name.padEnd(20)} ${median(times).toFixed(1).padStart(6)} ms`);
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
