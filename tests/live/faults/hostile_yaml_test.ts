import process from "node:process";
import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { configOf, errorOf, problemsOf } from "../../unit/config/support.ts";
import { report } from "./_report.ts";

let slowestMs = 0;

/**
 * Runs and says how much of the processor it took, in milliseconds: what other programs
 * take of a busy machine meanwhile is nothing of it.
 */
function timed<T>(fn: () => T): { result: T; ms: number } {
  const start = process.cpuUsage();
  const result = fn();
  const { user, system } = process.cpuUsage(start);
  return { result, ms: (user + system) / 1000 };
}

/** Aliases of aliases: `levels` lines that stand for `width ** levels` values. */
function aliasBomb(
  levels: number,
  width: number,
  leaf: string,
  open: string,
  close: string,
) {
  const lines = [`a0: &a0 ${leaf}`];
  for (let i = 1; i <= levels; i++) {
    const items = Array.from(
      { length: width },
      (_, n) => open === "{" ? `k${n}: *a${i - 1}` : `*a${i - 1}`,
    );
    lines.push(`a${i}: &a${i} ${open}${items.join(", ")}${close}`);
  }
  return lines.join("\n");
}

/** What hostile texts there are, and what the complaint says. */
const HOSTILE: Record<string, [text: string, says: string]> = {
  "billion laughs in lists": [aliasBomb(9, 9, "[x, x]", "[", "]"), "unknown setting"],
  "billion laughs in mappings": [aliasBomb(9, 9, "{x: 1}", "{", "}"), "unknown setting"],
  "billion laughs where nodes belong": [
    `${aliasBomb(9, 9, "[x, x]", "[", "]")}\nnodes: *a9`,
    "nodes: found a list of 9, allowed: {host, port}",
  ],
  "aliases of a large mapping": [
    "databases:\n  d0: &d\n" +
    Array.from({ length: 2000 }, (_, i) => `    k${i}: 1\n`).join("") +
    Array.from({ length: 2000 }, (_, i) => `  e${i}: *d\n`).join(""),
    "databases.e22: found more than 50000 entries, those behind aliases counted each time",
  ],
  "3,000 merges": [
    "databases:\n  d: &d {" +
    Array.from({ length: 100 }, (_, i) => `k${i}: 1`).join(", ") + "}\n  e: {<<: [" +
    "*d, ".repeat(3000) + "*d]}\n",
    "yaml text:3:7: databases.e: found more than 50000 entries",
  ],
  "a merge of itself": [
    "databases:\n  d: &d\n    <<: *d\n",
    "yaml text:3:5: databases.d: merge keys are nested deeper than 8",
  ],
  "an alias of itself": ["nodes: &n [*n]", "found a list of 1, allowed"],
  "databases of themselves": [
    "databases: &d\n  a: *d\n",
    "databases.a.a: unknown setting",
  ],
  "flow depth 5,000": [
    `databases: ${"[".repeat(5000)}${"]".repeat(5000)}`,
    "yaml text:1:44: databases.0: lists and mappings are nested deeper than 32",
  ],
  "flow depth 100,000": ["[".repeat(100_000), "yaml text:1:33: lists and mappings"],
  "list depth 50,000": ["- ".repeat(50_000), "yaml text:1:65: lists and mappings"],
  "block depth 100": [
    Array.from({ length: 100 }, (_, i) => `${" ".repeat(i)}k:`).join("\n"),
    "yaml text:33:35: lists and mappings are nested deeper than 32",
  ],
  "10 MiB": ["#".repeat(10 * 1024 * 1024), "found 10485760 characters, allowed: at most"],
  "a __proto__": ["__proto__: {polluted: true}", "__proto__: unknown setting"],
  "a database called __proto__": [
    "databases: {__proto__: {db: 1}}",
    'found the name "__proto__"',
  ],
  "a database called constructor": [
    "databases: {constructor: {db: 1}}",
    'found the name "constructor"',
  ],
  "a __proto__ by merge": [
    "databases: {a: {<<: {__proto__: {db: 1}}}}",
    "databases.a.__proto__: unknown setting",
  ],
  "duplicate keys": ["port: 1\nport: 2", "yaml text:2:1: port: this key is given twice"],
  "duplicate keys in a database": [
    "databases:\n  a:\n    db: 1\n    db: 2\n",
    "yaml text:4:5: databases.a.db: this key is given twice",
  ],
  "duplicate keys in flow style": [
    "databases: {a: {db: 1, db: 2}}",
    "yaml text:1:24: databases.a.db: this key is given twice",
  ],
  "tab indentation": [
    "databases:\n\ta:\n",
    "yaml text:2:1: databases: a tab indents the line, allowed: spaces only",
  ],
  "a tab that parsers take for nothing": [
    "databases:\n  a:\n    db: 1\n\tport: 2\n",
    "yaml text:4:1: databases.a.db: a tab indents the line",
  ],
  "two documents": ["port: 1\n---\nport: 2\n", "yaml text:2:1: a second document starts"],
  "broken syntax": ["port: 1\nhost: [a\n", "this is not valid YAML"],
  "an unknown alias": ["port: *nope", "this is not valid YAML"],
  "a foreign tag": ["port: !!js/function 'x'", "this is not valid YAML"],
  "binary": ["port: \u0001\u0002", "this is not valid YAML"],
  "a lone surrogate": ["host: \ud800", "yaml text:1:8: host: this is not valid YAML"],
  "octal": ["port: 010", 'port: found "010"'],
  "thousands": ["port: 1_000", 'port: found "1_000"'],
  "hexadecimal": ["port: 0x10", 'port: found "0x10"'],
  "sexagesimal": ["port: 1:30", 'port: found "1:30"'],
  "a bare date": ["port: 2024-01-01", 'port: found "2024-01-01"'],
  "not a number": ["socket_timeout: .nan", 'socket_timeout: found ".nan"'],
  "infinity": ["socket_timeout: .inf", 'socket_timeout: found ".inf"'],
  "a huge number": ["db: 1e400", 'db: found "1e400"'],
  "a complex key": ["? {a: 1}\n: 2", "unknown setting"],
  "15,000 typos": [
    Array.from({ length: 15_000 }, (_, i) => `max_con_${i}: 1`).join("\n"),
    "and 14950 more",
  ],
};

/** Complaints about a text as a whole, or about a place whose position is not kept. */
const UNPLACED = new Set(["10 MiB", "a complex key"]);

for (const [name, [text, says]] of Object.entries(HOSTILE)) {
  Deno.test(`load() refuses ${name} within a second`, () => {
    const once = () => timed(() => errorOf(() => configOf(text)));
    const { result: error, ms: firstMs } = once();
    // On a busy machine others may have had the processor meanwhile.
    const ms = firstMs < 1000 ? firstMs : Math.min(once().ms, once().ms, once().ms);
    assertStringIncludes(error.message, says);
    // Whatever is said of a place in the text says which.
    if (!UNPLACED.has(name)) assertMatch(error.origin, /^yaml text:\d+:\d+$/);
    assert(ms < 1000, `took ${Math.round(ms)} ms`);
    slowestMs = Math.max(slowestMs, ms);
    assertEquals(Reflect.get({}, "polluted"), undefined);
    assertEquals(Object.keys(Object.prototype), []);
  });
}

Deno.test("load() says the line and the key of what the parser cannot read", () => {
  const cases: [text: string, origin: RegExp, key: string][] = [
    [
      "databases:\n  a:\n    db: 1\n   port: 2\n",
      /^yaml text:4:\d+$/,
      "databases.a.port",
    ],
    ["port: 1\nhost: 'a\n", /^yaml text:\d:\d+$/, "host"],
    ["port: 1\nhost: a: b\n", /^yaml text:2:\d+$/, "host"],
  ];
  for (const [text, origin, key] of cases) {
    const [problem] = problemsOf(() => configOf(text));
    assert(origin.test(problem!.origin), problem!.origin);
    assertEquals(problem!.key, key);
  }
});

Deno.test("load() never passes on the line that the parser quotes", async () => {
  const texts = [
    "password: 'hunter2\nport: 1",
    "password: hunter2: x",
    "password: [hunter2",
    "password: *hunter2",
    "password: !hunter2 x",
    "password: {hunter2",
    'password: "hunter2\\q"',
    "password: @hunter2",
    "password: hunter2\n port: 1\nhost: [",
    "databases:\n  password:hunter2",
    "databases: {a: {password:hunter2}}",
    "databases: {a: password:hunter2}",
    "password:hunter2",
    "password:hunter2: x",
    "- password: hunter2",
    "password: [hunter2]",
    "password: {hunter2: hunter2}",
    "tls: hunter2",
    "databases: hunter2",
    "url: redis://u:hunter2@h:port",
    "host: redis://u:hunter2@h",
    "host: u:hunter2@h",
    "nodes: ['redis://:hunter2@h:1x']",
    "databases: {'redis://:hunter2@h': }",
    "'redis://:hunter2@h': 1",
    "password: &hunter2",
    "%hunter2\nport: 1",
  ];
  let refused = 0;
  for (const text of texts) {
    try {
      const config = configOf(text);
      assertFalse(Deno.inspect(config, { depth: 9 }).includes("hunter2"), text);
    } catch (error) {
      refused++;
      const shown = `${Deno.inspect(error)}${JSON.stringify(error)}${
        (error as Error).stack
      }`;
      assertFalse(shown.includes("hunter2"), `${text}\n${shown}`);
    }
  }
  assert(refused >= texts.length - 2, `${refused} of ${texts.length} are refused`);
  const outcome = `${Object.keys(HOSTILE).length} texts refused, the slowest in ` +
    `${Math.round(slowestMs)} ms`;
  await report({ row: 33, fault: "hostile YAML", outcome });
  await report({
    row: 47,
    fault: "YAML traps",
    outcome: `line and key told, the source line of ${refused} never`,
  });
});
