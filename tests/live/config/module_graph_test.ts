import { assert, assertEquals } from "@std/assert";
import { local, runDeno } from "./run_child.ts";

interface Graph {
  modules: { specifier: string }[];
  npmPackages?: Record<string, { name: string }>;
}

async function graphOf(entrypoint: string): Promise<Graph> {
  const { stdout } = await runDeno(["info", "--json", local(entrypoint)]);
  return JSON.parse(stdout);
}

Deno.test("the ./config entrypoint does not import ioredis", async () => {
  const { modules, npmPackages = {} } = await graphOf("../../../src/config/main.ts");
  const files = modules.map(({ specifier }) => specifier);
  assert(files.length > 40, `${files.length} modules were read`);
  assertEquals(files.filter((file) => /ioredis/.test(file)), []);
  const packages = Object.values(npmPackages).map(({ name }) => name);
  assertEquals(packages.filter((name) => /redis/.test(name)), []);
  const ours = files.filter((file) => file.includes("/src/"));
  assertEquals(ours.filter((file) => !/\/src\/(config|core)\//.test(file)), []);
});

Deno.test("the main entrypoint does import ioredis, so that the test above can fail", async () => {
  const { modules, npmPackages = {} } = await graphOf("../../../mod.ts");
  const names = [
    ...modules.map(({ specifier }) => specifier),
    ...Object.values(npmPackages).map(({ name }) => name),
  ];
  assert(names.some((name) => /ioredis/.test(name)));
});
