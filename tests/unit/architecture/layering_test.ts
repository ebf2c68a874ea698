import { assertEquals, assertGreater } from "@std/assert";
import {
  findViolations,
  type Import,
  readImports,
  readPackageFiles,
} from "../../support/layers.ts";

const EXPORTS = { ".": "./mod.ts", "./config": "./src/config/main.ts" };

/** The one thing that is wrong with a file that has one import, or nothing. */
function judge(path: string, code: string): string | undefined {
  const [violation, ...more] = findViolations([{ path, text: code }], EXPORTS);
  assertEquals(more, []);
  return violation;
}

Deno.test("mod.ts, src/ and bench/ keep to the layers of ARCHITECTURE.md", async () => {
  const files = await readPackageFiles(".");
  const { exports } = JSON.parse(await Deno.readTextFile("deno.json"));
  assertGreater(files.flatMap(readImports).length, 0);
  assertEquals(findViolations(files, exports), []);
});

Deno.test("findViolations() notices a bad import that is added to the package", async () => {
  const files = (await readPackageFiles("."))
    .filter(({ path }) => path.startsWith("src/core/"));
  assertGreater(files.length, 0);
  const spoilt = files.map(({ path, text }) => ({
    path,
    text: `${text}\nimport type { Pool } from "@mooring/redis";\n`,
  }));
  assertEquals(
    findViolations(spoilt, EXPORTS).length - findViolations(files, EXPORTS).length,
    files.length,
  );
});

Deno.test("readImports() reads every form of import", () => {
  const forms: [code: string, expected: Omit<Import, "line">][] = [
    ['import { A } from "./a.ts";', { specifier: "./a.ts", typeOnly: false }],
    ['import type { A } from "./a.ts";', { specifier: "./a.ts", typeOnly: true }],
    ['import { type A } from "./a.ts";', { specifier: "./a.ts", typeOnly: false }],
    ['import a, * as b from "./a.ts";', { specifier: "./a.ts", typeOnly: false }],
    ['import "./a.ts";', { specifier: "./a.ts", typeOnly: false }],
    ['export { A } from "./a.ts";', { specifier: "./a.ts", typeOnly: false }],
    ['export type { A } from "./a.ts";', { specifier: "./a.ts", typeOnly: true }],
    ['export * from "./a.ts";', { specifier: "./a.ts", typeOnly: false }],
    ['export type * from "./a.ts";', { specifier: "./a.ts", typeOnly: true }],
    ['type A = import("./a.ts").A;', { specifier: "./a.ts", typeOnly: true }],
    ['type A = typeof import("./a.ts");', { specifier: "./a.ts", typeOnly: true }],
    ['const a = await import("./a.ts");', { specifier: "./a.ts", typeOnly: false }],
    ["const a = await import(`./a.ts`);", { specifier: "./a.ts", typeOnly: false }],
    ["const a = await import(`./${name}.ts`);", { typeOnly: false }],
    ['const a = await import("./" + name);', { typeOnly: false }],
    ['import a = require("./a.ts");', { specifier: "./a.ts", typeOnly: false }],
  ];
  for (const [code, expected] of forms) {
    assertEquals(
      readImports({ path: "src/core/x.ts", text: `\n${code}` }),
      [{ ...expected, line: 2 }],
      code,
    );
  }
});

Deno.test("readImports() reads code, not comments or strings", () => {
  const text = [
    '// import "./a.ts";',
    '/** @example import "./b.ts"; */',
    "const text = 'import \"./c.ts\"';",
    'const pattern = /import "d.ts"/;',
    "export { text, pattern };",
  ].join("\n");
  assertEquals(readImports({ path: "src/core/x.ts", text }), []);
});

Deno.test("findViolations() lets imports point down", () => {
  for (
    const [path, code] of [
      ["mod.ts", 'export * from "./src/manager/manager.ts";'],
      ["mod.ts", 'export * from "./src/core/errors/mod.ts";'],
      ["src/manager/a.ts", 'import { RedisConnectionManager } from "./manager.ts";'],
      ["src/manager/a.ts", 'import type { Topology } from "../server/topology.ts";'],
      ["src/server/a.ts", 'import { Facade } from "../commands/facade.ts";'],
      [
        "src/server/a.ts",
        'import { SentinelDiscovery } from "../sentinel/discovery.ts";',
      ],
      ["src/cluster/a.ts", 'import { Server } from "../server/server.ts";'],
      ["src/pool/lane.ts", 'import { Connection } from "../connection/connection.ts";'],
      ["src/pool/lane.ts", 'import { Breaker } from "../resilience/breaker.ts";'],
      ["src/connection/a.ts", 'import { Coalescer } from "../transport/coalescer.ts";'],
      ["src/transport/a.ts", 'import { Clock } from "../core/clock.ts";'],
      ["src/core/a.ts", 'import { b } from "./errors/b.ts";'],
      ["src/pool/deep/er.ts", 'import { b } from "../wait_queue.ts";'],
      ["src/cli/doctor.ts", 'import { RedisConnectionManager } from "../../mod.ts";'],
      ["src/cli/doctor.ts", 'import { table } from "./table.ts";'],
      ["src/cli/doctor.ts", 'import { systemClock } from "../core/clock.ts";'],
      ["src/cli/a.ts", 'import { x } from "../observability/histogram.ts";'],
      ["src/cli/a.ts", 'import { starterYaml } from "@mooring/redis/config";'],
      ["src/cli/a.ts", 'import { editSettings } from "../config/main.ts";'],
      ["src/cli/doctor.ts", 'import { RedisConnectionManager } from "@mooring/redis";'],
      ["src/core/a.ts", 'import { delay } from "@std/async/delay";'],
    ] as const
  ) {
    assertEquals(judge(path, code), undefined, `${path}: ${code}`);
  }
});

Deno.test("findViolations() refuses imports that point up", () => {
  assertEquals(
    judge("src/core/a.ts", 'import type { Pool } from "../pool/pool.ts";'),
    "src/core/a.ts:1 imports ../pool/pool.ts: pool is above core",
  );
  assertEquals(
    judge("src/connection/a.ts", 'const pool = await import("../pool/pool.ts");'),
    "src/connection/a.ts:1 imports ../pool/pool.ts: pool is above connection",
  );
  assertEquals(
    judge("src/cluster/a.ts", 'type Manager = import("../manager/manager.ts").Manager;'),
    "src/cluster/a.ts:1 imports ../manager/manager.ts: manager is above cluster",
  );
  assertEquals(
    judge("src/transport/a.ts", 'export * from "../connection/b.ts";'),
    "src/transport/a.ts:1 imports ../connection/b.ts: connection is above transport",
  );
});

Deno.test("findViolations() refuses imports among siblings", () => {
  const siblings = [
    ["transport", "resilience", "config", "observability"],
    ["pool", "commands", "sentinel"],
  ];
  for (const areas of siblings) {
    for (const a of areas) {
      for (const b of areas.filter((area) => area !== a)) {
        assertEquals(
          judge(`src/${a}/x.ts`, `import type { Y } from "../${b}/y.ts";`),
          `src/${a}/x.ts:1 imports ../${b}/y.ts: ${a} and ${b} never import each other`,
        );
      }
    }
  }
});

Deno.test("findViolations() keeps the entrypoint for users and the commands", () => {
  assertEquals(
    judge("src/pool/a.ts", 'import { Manager } from "../../mod.ts";'),
    "src/pool/a.ts:1 imports ../../mod.ts: cli alone imports mod.ts",
  );
  assertEquals(
    judge("src/pool/a.ts", 'import type { Manager } from "@mooring/redis";'),
    "src/pool/a.ts:1 imports @mooring/redis: cli alone imports mod.ts",
  );
  assertEquals(
    judge("src/cli/a.ts", 'import { Pool } from "../pool/pool.ts";'),
    "src/cli/a.ts:1 imports ../pool/pool.ts: cli imports entrypoints, core and the histogram only",
  );
  assertEquals(
    judge("src/cli/a.ts", 'import { log } from "../observability/logging.ts";'),
    "src/cli/a.ts:1 imports ../observability/logging.ts: cli imports entrypoints, core and the histogram only",
  );
  assertEquals(
    judge("mod.ts", 'export * from "./src/cli/mod.ts";'),
    "mod.ts:1 imports ./src/cli/mod.ts: nothing imports cli",
  );
});

Deno.test("findViolations() keeps the test kit apart from what it tests", () => {
  const kit = "src/testing/a.ts";
  assertEquals(judge(kit, 'import { b } from "./b.ts";'), undefined);
  assertEquals(judge(kit, 'import { sleepBy } from "../core/clock.ts";'), undefined);
  assertEquals(
    judge(kit, 'import { Stream } from "../transport/stream.ts";'),
    `${kit}:1 imports ../transport/stream.ts: testing imports core only`,
  );
  assertEquals(
    judge(kit, 'import type { Manager } from "../../mod.ts";'),
    `${kit}:1 imports ../../mod.ts: testing imports core only`,
  );
  for (const path of ["mod.ts", "src/pool/a.ts", "src/cli/a.ts"]) {
    const to = path === "mod.ts" ? "./src/testing/wait.ts" : "../testing/wait.ts";
    const wrong = path === "src/cli/a.ts"
      ? "cli imports entrypoints, core and the histogram only"
      : "nothing imports testing";
    assertEquals(
      judge(path, `import { delay } from "${to}";`),
      `${path}:1 imports ${to}: ${wrong}`,
    );
  }
});

Deno.test("findViolations() lets a bench import what users see and what it measures", () => {
  const from = "bench/guard_bench.ts";
  for (
    const specifier of [
      "../mod.ts",
      "../src/config/main.ts",
      "../src/core/clock.ts",
      "../src/cli/table.ts",
      "../src/transport/reply_guard.ts",
      "../src/testing/redis_server.ts",
      "../tests/support/accounting.ts",
      "./line_process.ts",
      "npm:redis@^6.0.0",
    ]
  ) {
    assertEquals(judge(from, `import "${specifier}";`), undefined, specifier);
  }
  const of = (specifier: string) => `${from}:1 imports ${specifier}: `;
  for (
    const [specifier, wrong] of [
      ["../src/pool/pool.ts", `${from} does not measure pool`],
      ["../src/config/loader.ts", `${from} does not measure config`],
      ["../tests/unit/pool/pool_test.ts", "a test is no helper"],
      ["../config/generate.ts", "config/generate.ts is no part of the package"],
    ] as const
  ) {
    assertEquals(judge(from, `import "${specifier}";`), of(specifier) + wrong);
  }
  assertEquals(
    judge("bench/pool/rivals.ts", 'import "../../src/pool/pool.ts";'),
    undefined,
  );
  assertEquals(
    judge("src/cli/a.ts", 'import "../../bench/main.ts";'),
    "src/cli/a.ts:1 imports ../../bench/main.ts: bench/main.ts is no part of the package",
  );
});

Deno.test("findViolations() refuses imports from outside the package", () => {
  assertEquals(
    judge("src/pool/a.ts", 'import { b } from "../../tests/support/b.ts";'),
    "src/pool/a.ts:1 imports ../../tests/support/b.ts: tests/support/b.ts is no part of the package",
  );
  assertEquals(
    judge("src/pool/a.ts", "export const a = await import(name);"),
    "src/pool/a.ts:1 imports something: what it imports cannot be read",
  );
});

Deno.test("findViolations() refuses files that belong to no layer", () => {
  assertEquals(judge("src/helpers/a.ts", ""), "src/helpers/a.ts belongs to no layer");
  assertEquals(judge("src/utils.ts", ""), "src/utils.ts belongs to no layer");
});

Deno.test("findViolations() lets connection/ alone import ioredis when it runs", () => {
  const refusal = "connection alone imports ioredis, but for types";
  for (const specifier of ["ioredis", "ioredis/built/Redis.js", "npm:ioredis@^6.0.0"]) {
    const code = `import { Redis } from "${specifier}";`;
    assertEquals(judge("src/connection/driver.ts", code), undefined);
    assertEquals(
      judge("src/pool/lane.ts", code),
      `src/pool/lane.ts:1 imports ${specifier}: ${refusal}`,
    );
    assertEquals(
      judge("src/commands/client.ts", `import type { Redis } from "${specifier}";`),
      undefined,
    );
    // A list of types alone still loads the module.
    assertEquals(
      judge("src/commands/client.ts", `import { type Redis } from "${specifier}";`),
      `src/commands/client.ts:1 imports ${specifier}: ${refusal}`,
    );
  }
  assertEquals(judge("src/pool/a.ts", 'import { x } from "ioredis-mock";'), undefined);
});

Deno.test("findViolations() lets cli/ alone import what only commands need", () => {
  for (const name of ["echarts", "commander"]) {
    const code = `import { x } from "${name}";`;
    assertEquals(judge("src/cli/a.ts", code), undefined);
    assertEquals(
      judge("src/core/a.ts", code),
      `src/core/a.ts:1 imports ${name}: cli alone imports ${name}`,
    );
  }
});

Deno.test("findViolations() lets observability/ alone import OpenTelemetry", () => {
  const code = 'import type { Span } from "@opentelemetry/api";';
  assertEquals(judge("src/observability/spans.ts", code), undefined);
  assertEquals(
    judge("src/commands/client.ts", code),
    "src/commands/client.ts:1 imports @opentelemetry/api: observability alone imports @opentelemetry/api",
  );
});
