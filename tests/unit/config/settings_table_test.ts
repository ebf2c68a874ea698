import {
  assert,
  assertEquals,
  assertObjectMatch,
  assertStringIncludes,
} from "@std/assert";
import { describeSettings, settingProperties } from "../../../config/descriptions.ts";
import { BEGIN, END, withTable } from "../../../config/generate.ts";
import { settingsMarkdown } from "../../../config/settings_table.ts";
import { isAllowed } from "../../../src/config/kinds.ts";
import {
  DATABASE_SETTINGS,
  MANAGER_SETTINGS,
  type Setting,
} from "../../../src/config/names.ts";
import { DEFAULT_REPLY_LIMITS } from "../../../src/transport/reply_types.ts";
import { configOf } from "./support.ts";

const ALL = [...DATABASE_SETTINGS, ...MANAGER_SETTINGS];

Deno.test("the comments of the types describe every setting, with its default", () => {
  const members = settingProperties();
  for (const setting of ALL) {
    const property = members.find(({ key }) => key === setting.key);
    assert(property !== undefined, setting.key);
    checkDocumentedDefault(setting, property.comment);
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

Deno.test("the comments of the types name the defaults of the table", () => {
  const named =
    settingProperties().filter(({ comment }) => /Default:? `?[\d\w]/.test(comment))
      .length;
  assert(named > 30, `${named} defaults are named`);
});

Deno.test("every setting has a name, a description and a default that is allowed", () => {
  const descriptions = describeSettings();
  for (const { key, yaml, kind, default: value } of ALL) {
    const description = descriptions.get(key) ?? "";
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
  assertObjectMatch({ ...databases.a! }, {
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
    replyLimits: { ...DEFAULT_REPLY_LIMITS },
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

Deno.test("the table of settings in config/README.md is fresh (config/generate.ts writes it)", async () => {
  const text = await Deno.readTextFile("config/README.md");
  assertStringIncludes(text, BEGIN);
  assertEquals(withTable(text) === text, true, "config/README.md is stale");
});
