import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { BEGIN, DOCUMENTS, END, withTable } from "../../../config/generate.ts";
import { isAllowed } from "../../../src/config/schema/check.ts";
import { settingsMarkdown } from "../../../src/config/schema/markdown.ts";
import type { Setting } from "../../../src/config/schema/setting.ts";
import {
  DATABASE_SETTINGS,
  MANAGER_SETTINGS,
} from "../../../src/config/schema/settings.ts";
import { DEFAULT_REPLY_LIMITS } from "../../../src/transport/reply_limits.ts";
import { configOf } from "./support.ts";

const TYPES = new URL("../../../src/config/types.ts", import.meta.url);
const ALL = [...DATABASE_SETTINGS, ...MANAGER_SETTINGS];

/** The properties of an interface in types.ts: name, whether optional, comment. */
function propertiesOf(source: string, name: string) {
  const body = new RegExp(`export interface ${name} \\{\\n([^]*?)\\n\\}`).exec(source)
    ?.[1];
  assert(body !== undefined, name);
  const property = /\/\*\*([^]*?)\*\/\s*readonly (\w+)(\?)?: ([^;]+);/g;
  return [...body.matchAll(property)].map(([, comment, key, optional, type]) => ({
    comment: comment!.replace(/\s*\*\s*/g, " ").trim(),
    key: key!,
    optional: optional === "?",
    type: type!,
  }));
}

/** Interfaces whose settings are written as a group. */
const GROUPS: Record<string, string> = {
  tls: "TlsConfig",
  sentinelTls: "SentinelTlsConfig",
  socketKeepaliveOptions: "KeepaliveConfig",
  connectRetry: "ConnectRetryConfig",
  retryBudget: "RetryBudgetConfig",
  replyLimits: "ReplyLimitsConfig",
};

/** Settings that are only ways to write others. */
const WRITTEN_ONLY = ["url", "passwordFile"];

Deno.test("the table of settings and RedisConfig have the same members", async () => {
  const source = await Deno.readTextFile(TYPES);
  const members = propertiesOf(source, "RedisConfig").flatMap((one) => {
    const group = GROUPS[one.key];
    if (group === undefined) return [one];
    return propertiesOf(source, group).map((member) => ({
      ...member,
      key: `${one.key}.${member.key}`,
    }));
  }).filter(({ key }) => key !== "name");
  const known = DATABASE_SETTINGS.filter(({ key }) => !WRITTEN_ONLY.includes(key));
  assertEquals(members.map(({ key }) => key).sort(), known.map(({ key }) => key).sort());
  for (const { key, optional, comment } of members) {
    const setting = known.find((one) => one.key === key)!;
    assertEquals(optional, setting.default === undefined, `${key} is optional`);
    checkDocumentedDefault(setting, comment);
  }
});

/** The default that a comment names is the one that counts. */
function checkDocumentedDefault({ key, default: value }: Setting, comment: string): void {
  const said = /Default:? `?([\w.,]+?)`?[.,;]?(?:\s|$)/.exec(comment)?.[1]?.replaceAll(
    ",",
    "",
  );
  if (said === undefined || !/^(\d[\d.]*|true|false|\w+)$/.test(said)) return;
  if (["that", "nothing"].includes(said)) return;
  assertEquals(said, String(value), `${key}: ${comment}`);
}

Deno.test("the comments of types.ts name the defaults of the table", async () => {
  const source = await Deno.readTextFile(TYPES);
  const named = [...source.matchAll(/Default:? `?[\d\w]/g)].length;
  assert(named > 30, `${named} defaults are named`);
});

Deno.test("every setting has a name, a description and a default that is allowed", () => {
  for (const { key, yaml, description, kind, default: value } of ALL) {
    assert(/^[a-z][A-Za-z]*(\.[a-z][A-Za-z]*)?$/.test(key), key);
    assert(/^[a-z_]+(\.[a-z_]+)?$/.test(yaml), yaml);
    assert(/^[A-Z].*\.$/.test(description) && description.length < 100, description);
    if (value !== undefined) assert(isAllowed(kind, value), `${key}: ${value}`);
    assertEquals(kind.type === "duration", /Ms$/.test(key), `${key} has its unit`);
  }
});

Deno.test("no two settings share a name", () => {
  const keys = ALL.map(({ key }) => key);
  const names = ALL.flatMap(({ yaml, aliases }) => [yaml, ...aliases]);
  assertEquals(new Set(keys).size, keys.length);
  assertEquals(new Set(names).size, names.length);
});

Deno.test("the defaults are the seed's", () => {
  const { databases } = configOf("databases: {a: }");
  const { name: _, ...settings } = databases.a!;
  assertEquals(settings, {
    mode: "standalone",
    host: "localhost",
    port: 6379,
    nodes: [],
    db: 0,
    tls: { enabled: false, verify: true },
    sentinelTls: { enabled: false, verify: true },
    keyPrefix: "",
    maxConnections: 20,
    minConnections: 0,
    maxLanes: 1,
    maxWaiting: 10_000,
    commandTimeoutMs: 5000,
    connectTimeoutMs: 5000,
    acquireTimeoutMs: 3000,
    idleTimeoutMs: 300_000,
    maxLifetimeMs: 1_800_000,
    loadingTimeoutMs: 60_000,
    leakDetectionThresholdMs: 0,
    healthCheckIntervalMs: 30_000,
    socketKeepalive: true,
    socketKeepaliveOptions: { idleMs: 600_000, intervalMs: 60_000, count: 5 },
    retryOnTimeout: true,
    maxRetries: 3,
    retryDelayMs: 50,
    retryWrites: false,
    retryBudget: { ratio: 0.2, minPerSecond: 10 },
    replyLimits: DEFAULT_REPLY_LIMITS,
    connectRetry: { attempts: 5, minMs: 2000, maxMs: 30_000, multiplier: 2, jitter: 1 },
    circuitBreakerThreshold: 5,
    circuitBreakerTimeoutMs: 60_000,
    transport: "node",
    protocol: "auto",
    replyMapping: "legacy",
    decodeResponses: true,
  });
  assertEquals(configOf("").cleanupIntervalMs, 60_000);
});

Deno.test("settingsMarkdown() has one row for each setting, with unit and default", () => {
  const table = settingsMarkdown();
  const rows = table.split("\n").filter((line) => line.startsWith("| `"));
  assertEquals(rows.length, ALL.length);
  assertStringIncludes(
    table.replace(/ +/g, " "),
    "| `socket_timeout`, `timeout`, `timeout_seconds` | `commandTimeoutMs` | a number of " +
      "seconds from 0.001 to 2147483 | `5` | Deadline of a command. |",
  );
});

Deno.test("withTable() replaces what stands between the markers, and nothing else", () => {
  const readme = `# Title\n${BEGIN}\nold\n${END}\nrest\n`;
  const fresh = withTable(readme);
  assertEquals(fresh, `# Title\n${BEGIN}\n\n${settingsMarkdown()}\n${END}\nrest\n`);
  assertEquals(withTable(fresh), fresh);
  assertEquals(withTable("no markers"), "no markers");
});

Deno.test("the documents' tables are fresh (config/generate.ts writes them)", async () => {
  const texts = await Promise.all(DOCUMENTS.map((file) => Deno.readTextFile(file)));
  texts.forEach((text, i) => {
    assertEquals(withTable(text) === text, true, `${DOCUMENTS[i]} is stale`);
  });
  assertEquals(texts.filter((text) => text.includes(BEGIN)).length, 1);
});
