import { assertEquals } from "@std/assert";
import { type ManagerOptions, RedisConfigLoader } from "../../../src/config/mod.ts";
import { DATABASE_SETTINGS, MANAGER_SETTINGS } from "../../../src/config/names.ts";
import { configOf, onlyProblem, problemsOf } from "./support.ts";

function fromCode(options: object): string {
  return onlyProblem(() => RedisConfigLoader.fromOptions(options as ManagerOptions));
}

/** Contradictions as code gives them, and the complaint in code's names and units. */
const IN_CODE: [database: object, complaint: string][] = [
  [
    { mode: "sentinel", nodes: ["s:1"] },
    "sentinelName: mode sentinel needs sentinelName, the name of the primary",
  ],
  [
    { maxConnections: 3, minConnections: 4 },
    "minConnections: minConnections 4 is more than maxConnections 3",
  ],
  [
    { maxConnections: 3, maxLanes: 4 },
    "maxLanes: maxLanes 4 is more than maxConnections 3",
  ],
  [
    { connectRetry: { maxMs: 1000 } },
    "connectRetry.minMs: connectRetry.minMs 2000 ms is more than connectRetry.maxMs 1000 ms",
  ],
  [
    { host: "h", unixSocket: "/r" },
    "unixSocket: host and unixSocket are both given; leave one out",
  ],
  [
    { password: "x", passwordFile: "/none" },
    "passwordFile: password and passwordFile are both given; leave one out",
  ],
  [
    { url: "redis://h?socket_timeout=1", commandTimeoutMs: 2 },
    "url: the url and commandTimeoutMs contradict each other",
  ],
  [
    { tls: { certFile: "/c" } },
    "tls.certFile: tls.keyFile is missing; the two belong together",
  ],
  [
    {
      mode: "sentinel",
      nodes: ["s:1"],
      sentinelName: "m",
      sentinelTls: { keyFile: "/k" },
    },
    "sentinelTls.keyFile: sentinelTls.certFile is missing; the two belong together",
  ],
  [{ aliasOf: "b" }, 'aliasOf: there is no database "b"'],
  [
    { sentinel_name: "m" },
    'sentinel_name: unknown setting; did you mean "sentinelName"?',
  ],
  [
    { socket_timeout: 5 },
    'socket_timeout: unknown setting; did you mean "commandTimeoutMs"?',
  ],
  [
    { timeout: 5 },
    'timeout: unknown setting; did you mean "commandTimeoutMs"?',
  ],
  [
    { tls: { ca_file: "/c" } },
    'tls.ca_file: unknown setting; did you mean "caFile"?',
  ],
];

Deno.test("an error about options in code names them as code does, in milliseconds", () => {
  for (const [database, complaint] of IN_CODE) {
    const message = problemsOf(() =>
      RedisConfigLoader.fromOptions({ databases: { a: database } })
    ).map(({ origin, key, message }) => `${origin}: ${key}: ${message}`)[0];
    assertEquals(message, `overrides: databases.a.${complaint}`);
  }
  assertEquals(
    fromCode({ databases: { a: { minConnections: 5 } }, maxTotalConnections: 4 }),
    "overrides: maxTotalConnections: found 4, but minConnections of all databases is 5",
  );
});

Deno.test("an error about a file names redis_databases where the file says so", () => {
  for (
    const [yaml, complaint] of [
      [
        "redis_databases: {a: {db: x}}",
        '1:27: redis_databases.a.db: found "x", allowed: a whole number from 0 to 2147483647',
      ],
      [
        "redis_databases: {a: {prt: 1}}",
        '1:23: redis_databases.a.prt: unknown setting; did you mean "port"?',
      ],
      [
        "redis_databases: {a: 5}",
        "1:22: redis_databases.a: found a text of 1 characters, allowed: a mapping",
      ],
      [
        "redis_databases: [a]",
        "1:18: redis_databases: found a list of 1, allowed: a mapping of names to settings",
      ],
      [
        "redis_databases: {-a: }",
        '1:19: redis_databases: found the name "-a", allowed: letters, digits, _, -, . and ' +
        ":, at most 128 characters",
      ],
      [
        "redis_databases: {a: {mode: sentinel, nodes: ['s:1']}}",
        "1:29: redis_databases.a.sentinel_name: mode sentinel needs sentinel_name, the name " +
        "of the primary",
      ],
      [
        "redis_databases: {a: {alias_of: b, db: 1}, b: {db: 2}}",
        '1:33: redis_databases.a.alias_of: "b" is number 2 on localhost:6379, this is number ' +
        "1 on localhost:6379; leave out what differs",
      ],
      [
        "redis_databases: {a: {timeout: x}}",
        '1:32: redis_databases.a.timeout: found "x", allowed: a number of seconds from 0.001 ' +
        "to 2147483",
      ],
    ] as const
  ) {
    const { origin, key, message } = problemsOf(() => configOf(yaml))[0]!;
    assertEquals(`${origin}: ${key}: ${message}`, `yaml text:${complaint}`);
  }
});

Deno.test("a contradiction between a file and code is told in the words of the one to blame", () => {
  const problem = (yaml: string, overrides: ManagerOptions) =>
    onlyProblem(() => configOf(yaml, {}, overrides));
  assertEquals(
    problem("redis_databases: {a: {max_connections: 3}}", { minConnections: 4 }),
    "overrides: databases.a.minConnections: minConnections 4 is more than maxConnections 3",
  );
  assertEquals(
    problem("redis_databases: {a: {min_connections: 4}}", { maxConnections: 3 }),
    "yaml text:1:40: redis_databases.a.min_connections: min_connections 4 is more than " +
      "max_connections 3",
  );
});

Deno.test("a duration that was probably given in milliseconds gets a warning", () => {
  for (
    const { yaml, kind, default: usual } of [...DATABASE_SETTINGS, ...MANAGER_SETTINGS]
  ) {
    // Those of the keepalive have a bound that refuses such a number.
    if (kind.type !== "duration" || kind.maxMs < 100_000_000) continue;
    const seconds = Number(usual) / 1000;
    const mistaken = Math.max(60_000, Number(usual));
    const [group, member] = yaml.split(".");
    const text = (seconds: number) =>
      member === undefined
        ? `${group}: ${seconds}\ndatabases: {a: }`
        : `${group}: {${member}: ${seconds}${
          member === "min" ? ", max: 1000000" : ""
        }}\ndatabases: {a: }`;
    const warnings = (seconds: number) =>
      configOf(text(seconds)).warnings.filter((one) => one.includes(`${yaml} is`));
    assertEquals(warnings(seconds), [], yaml);
    assertEquals(warnings(mistaken), [
      `yaml text:1: ${yaml} is ${mistaken} s: durations are seconds; if ${mistaken} ms ` +
      `were meant, write ${mistaken / 1000}`,
    ]);
  }
});

Deno.test("the warning names the key as it was written: in a file, a URL and a variable", () => {
  const warned = (yaml: string, env: Record<string, string> = {}): string[] =>
    configOf(`${yaml}\ndatabases: {a: }`, env).warnings.filter((one) =>
      one.includes("durations")
    ).map((one) => one.split(" is ")[0]!);
  assertEquals(warned("timeout: 5000"), ["yaml text:1: timeout"]);
  assertEquals(warned("timeout_seconds: 1000"), []);
  assertEquals(warned("url: redis://localhost?timeout=5000"), [
    "yaml text:1: socket_timeout",
  ]);
  assertEquals(warned("", { REDIS_URL: "redis://localhost?timeout=5000" }), [
    "env REDIS_URL: socket_timeout",
  ]);
  assertEquals(warned("", { AUTOBOT_REDIS_SOCKET_TIMEOUT: "5000" }), [
    "env AUTOBOT_REDIS_SOCKET_TIMEOUT: socket_timeout",
  ]);
  // Code gives milliseconds: 5,000 of them are what they seem to be.
  assertEquals(
    RedisConfigLoader.fromOptions({ commandTimeoutMs: 2_000_000 }).warnings,
    [],
  );
});
