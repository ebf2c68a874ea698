import { assert, assertEquals } from "@std/assert";
import { stringify } from "@std/yaml/stringify";
import type { SettingKind } from "../../../src/config/kinds.ts";
import type { ExplainedValue, ManagerConfig } from "../../../src/config/mod.ts";
import {
  DATABASE_SETTINGS,
  MANAGER_SETTINGS,
  PER_DATABASE_ONLY,
  type Setting,
} from "../../../src/config/names.ts";
import { Random } from "./random.ts";
import { configOf } from "./support.ts";

const RUNS = 500;
const SEED = Number(Deno.env.get("MOORING_TEST_SEED") ?? 7);

type Tree = { [key: string]: unknown };

/** Settings that are left out: secrets cannot come back, the others exclude each other. */
const LEFT_OUT = new Set([
  "resolve",
  "sentinelPassword",
  "sentinelTls.certFile",
  "sentinelTls.keyFile",
  "password",
  "passwordFile",
  "url",
  "unixSocket",
  "mode",
  "nodes",
  "sentinelName",
  "aliasOf",
  "readFrom",
  "tls.certFile",
  "tls.keyFile",
]);

const TEXTS = [
  "plain",
  "two words",
  "010",
  "yes",
  "null",
  "~",
  "a: b",
  "# x",
  "",
  "é ☃",
  "'",
  '"',
];
const WORDS = ["app", "010", "true", "x-y", "ünï"];
/** The loader looks into files of TLS: only one that holds certificates will do. */
const PEM_FILE = new URL("fixtures/authority.pem", import.meta.url).pathname;

function valueOf(kind: SettingKind, random: Random): unknown {
  switch (kind.type) {
    case "integer":
      return random.int(kind.min, Math.min(kind.max, kind.min + 50));
    case "number":
      return random.int(kind.min * 4, Math.min(kind.max, kind.min + 5) * 4) / 4;
    case "duration":
      return random.int(Math.max(1, kind.minMs), kind.minMs + 100_000) / 1000;
    case "boolean":
      return random.chance(0.5);
    case "choice":
      return random.pick(kind.values);
    case "text":
      if (kind.format === "path") return PEM_FILE;
      return random.pick(
        kind.format === "any"
          ? TEXTS
          : kind.format === "host"
          ? ["h", "::1"]
          : kind.format === "visible"
          ? ["x-y:1"]
          : WORDS,
      );
    case "texts":
      return random.pick([["u:", "é: ☃"], ["010"], [""], []]);
    case "addresses":
      return { "10.0.0.7:7000": "localhost:17000", "[::1]:6379": "h:1" };
    default:
      throw new Error(`no value for ${kind.type}`);
  }
}

function put(tree: Tree, path: string, value: unknown): void {
  const [group, member] = path.split(".") as [string, string?];
  if (member === undefined) tree[group] = value;
  else ((tree[group] ??= {}) as Tree)[member] = value;
}

/** Some settings with random values, such that they do not contradict each other. */
function treeOf(settings: readonly Setting[], random: Random): Tree {
  const tree: Tree = {};
  for (const setting of settings) {
    if (LEFT_OUT.has(setting.key) || random.chance(0.6)) continue;
    const name = setting.aliases.length > 0 && random.chance(0.5)
      ? random.pick(setting.aliases)
      : setting.yaml;
    // Version 2 contradicts reply_mapping: resp3.
    const isVersion = setting.key === "protocol";
    put(
      tree,
      name,
      isVersion ? random.pick(["auto", "3"]) : valueOf(setting.kind, random),
    );
  }
  return tree;
}

/** Limits that hold whatever the smaller numbers are. */
const ROOM = {
  max_connections: 100,
  connect_retry: { max: 1000 },
};

function documentOf(random: Random): Tree {
  const rootSettings = DATABASE_SETTINGS.filter(({ key }) => !PER_DATABASE_ONLY.has(key));
  const databases: Tree = {};
  for (let i = random.int(1, 4); i > 0; i--) {
    databases[random.pick(["main", "cache", "a.b", "x-1", "_y", "12"]) + i] = withRoom(
      treeOf(DATABASE_SETTINGS, random),
    );
  }
  const manager = treeOf(MANAGER_SETTINGS, random);
  delete manager.max_total_connections;
  return { databases, ...withRoom(treeOf(rootSettings, random)), ...manager };
}

function withRoom(tree: Tree): Tree {
  const retry = { ...(tree.connect_retry as Tree | undefined), ...ROOM.connect_retry };
  return { ...tree, ...ROOM, connect_retry: retry };
}

const BY_KEY = new Map(
  [...DATABASE_SETTINGS, ...MANAGER_SETTINGS].map((one) => [one.key, one]),
);

/** The YAML that says all that `explain` says. */
function yamlOf(explained: readonly ExplainedValue[], names: readonly string[]): string {
  const databases: Tree = Object.fromEntries(names.map((name) => [name, {}]));
  const root: Tree = {};
  for (const { path, value } of explained) {
    const name = names.find((one) => path.startsWith(`databases.${one}.`));
    const key = name === undefined ? path : path.slice(`databases.${name}.`.length);
    const setting = BY_KEY.get(key)!;
    const written = setting.kind.type === "duration" ? Number(value) / 1000 : value;
    put(name === undefined ? root : databases[name] as Tree, setting.yaml, written);
  }
  return stringify({ databases, ...root });
}

function plain(config: ManagerConfig): unknown {
  return JSON.parse(JSON.stringify(config));
}

Deno.test(`any valid configuration survives YAML, load, explain, YAML (${RUNS} runs, seed ${SEED})`, () => {
  const random = new Random(SEED);
  let settings = 0;
  for (let run = 0; run < RUNS; run++) {
    const text = stringify(documentOf(random));
    const config = configOf(text);
    const again = configOf(yamlOf(config.explain(), Object.keys(config.databases)));
    assertEquals(plain(again), plain(config), text);
    settings += config.explain().filter(({ origin }) => origin !== "default").length;
  }
  assert(settings > RUNS * 20, `${settings} settings were set`);
});

Deno.test(`every setting's origin is the line that it stands on (seed ${SEED})`, () => {
  const random = new Random(SEED);
  let checked = 0;
  for (let run = 0; run < 50; run++) {
    const text = stringify(documentOf(random));
    const lines = text.split("\n");
    const config = configOf(text);
    for (const { path, origin } of config.explain()) {
      const line = /^yaml text:(\d+)$/.exec(origin)?.[1];
      if (line === undefined) continue;
      const setting = BY_KEY.get(path.replace(/^databases\.[^]*?\d\./, ""))!;
      const names = [setting.yaml.split(".").at(-1)!, ...setting.aliases];
      const written = lines[Number(line) - 1]!.trim();
      assert(
        names.some((name) => written.startsWith(`${name}:`)),
        `${path} in: ${written}`,
      );
      checked++;
    }
  }
  assert(checked > 1000, `${checked} origins were checked`);
});
