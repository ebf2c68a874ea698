import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { RedisConfigLoader } from "../../../src/config/mod.ts";
import { configOf, FOURTEEN, onlyProblem, problemsOf, reveal } from "./support.ts";

Deno.test("load() reads the file of 14 databases that the seed's users have", async () => {
  const config = await RedisConfigLoader.load({ yamlPath: FOURTEEN, env: {} });
  const numbers = Object.values(config.databases).map(({ name, db }) => `${name} ${db}`);
  assertEquals(numbers, [
    "main 0",
    "knowledge 1",
    "prompts 2",
    "agents 3",
    "metrics 4",
    "cache 5",
    "sessions 6",
    "workflows 7",
    "monitoring 7",
    "logs 8",
    "temp 9",
    "audit 10",
    "analytics 11",
    "codebase 11",
  ]);
  const { main, audit } = config.databases;
  assertEquals([main.commandTimeoutMs, audit.commandTimeoutMs], [5000, 3000]);
  assertEquals([main.maxConnections, audit.maxConnections], [20, 15]);
  assertEquals([main.maxRetries, main.retryDelayMs], [3, 1000]);
  assertEquals([main.healthCheckIntervalMs, main.password], [30_000, undefined]);
  assertMatch(config.origin("databases.audit.commandTimeoutMs")!, /databases\.yaml:42$/);
});

Deno.test("load() names the legacy keys of a file in warnings, with their lines", () => {
  const { warnings } = configOf("log_level: INFO\nlog_commands: false\n");
  assertEquals(warnings.length, 2);
  assertStringIncludes(warnings[0]!, "yaml text:1: log_level has no effect");
  assertStringIncludes(warnings[1]!, "yaml text:2: log_commands has no effect");
});

/** YAML of one database, and what one of its settings is then. */
const SPELLINGS: [yaml: string, key: string, expected: unknown][] = [
  ["socket_timeout: 2", "commandTimeoutMs", 2000],
  ["timeout: 2.5", "commandTimeoutMs", 2500],
  ["timeout_seconds: 3.0", "commandTimeoutMs", 3000],
  ["socket_connect_timeout: 1", "connectTimeoutMs", 1000],
  ["acquire_timeout: 0.25", "acquireTimeoutMs", 250],
  ["idle_timeout: 60", "idleTimeoutMs", 60_000],
  ["max_lifetime: 0", "maxLifetimeMs", 0],
  ["loading_timeout: 10", "loadingTimeoutMs", 10_000],
  ["leak_detection_threshold: 30", "leakDetectionThresholdMs", 30_000],
  ["health_check_interval: 15", "healthCheckIntervalMs", 15_000],
  ["circuit_breaker_timeout: 20", "circuitBreakerTimeoutMs", 20_000],
  ["circuit_breaker_threshold: 9", "circuitBreakerThreshold", 9],
  ["retry_delay: 0.1", "retryDelayMs", 100],
  ["max_retries: 7", "maxRetries", 7],
  ["retry_attempts: 8", "maxRetries", 8],
  ["retry_on_timeout: false", "retryOnTimeout", false],
  ["retry_writes: true", "retryWrites", true],
  ["max_connections: 7", "maxConnections", 7],
  ["min_connections: 2", "minConnections", 2],
  ["max_lanes: 3", "maxLanes", 3],
  ["max_waiting: 0", "maxWaiting", 0],
  ["socket_keepalive: false", "socketKeepalive", false],
  ["decode_responses: false", "decodeResponses", false],
  ["transport: deno", "transport", "deno"],
  ["key_prefix: 'app:'", "keyPrefix", "app:"],
  ["unix_socket: /run/redis.sock", "unixSocket", "/run/redis.sock"],
  ["username: app", "username", "app"],
  ["description: 2024-01-01", "description", "2024-01-01"],
  ["db: '5'", "db", 5],
  ["host: ::1", "host", "::1"],
  ["max_retries: null", "maxRetries", 3],
  ["max_retries: ~", "maxRetries", 3],
  ["max_retries:", "maxRetries", 3],
  ["description: 'null'", "description", "null"],
  ['description: "~"', "description", "~"],
  ["description: |\n      two\n      lines", "description", "two\nlines\n"],
];

Deno.test("load() understands every spelling of a setting, in seconds", () => {
  for (const [yaml, key, expected] of SPELLINGS) {
    const config = configOf(`databases:\n  one:\n    ${yaml}\n`);
    assertEquals(Reflect.get(config.databases.one!, key), expected, yaml);
  }
});

Deno.test("load() reads groups in block and in flow style", () => {
  const block = "databases:\n  a:\n    connect_retry:\n      attempts: 2\n      max: 9\n";
  const flow = "databases: {a: {connect_retry: {attempts: 2, max: 9}}}\n";
  for (const yaml of [block, flow]) {
    assertEquals(configOf(yaml).databases.a!.connectRetry, {
      attempts: 2,
      minMs: 2000,
      maxMs: 9000,
      multiplier: 2,
      jitter: 1,
    });
  }
  const { databases } = configOf(
    "databases: {a: }\nsocket_keepalive_options: {idle: 100, count: 2}\n" +
      "retry_budget: {ratio: 0.5}\ntls: {verify: true, server_name: r.test}",
  );
  assertEquals(databases.a!.socketKeepaliveOptions, {
    idleMs: 100_000,
    intervalMs: 60_000,
    count: 2,
  });
  assertEquals(databases.a!.retryBudget, { ratio: 0.5, minPerSecond: 10 });
  assertEquals(databases.a!.tls.serverName, "r.test");
});

Deno.test("load() reads nodes as mappings and as host:port", () => {
  const config = configOf(
    "mode: sentinel\nsentinel_name: mymaster\ndatabases: {a: {db: 3}}\n" +
      "nodes:\n- {host: s1, port: 26379}\n- s2:26380\n- '[::1]:26381'\n",
  );
  assertEquals(config.databases.a!.nodes, [
    { host: "s1", port: 26_379 },
    { host: "s2", port: 26_380 },
    { host: "::1", port: 26_381 },
  ]);
});

Deno.test("load() takes values at the root for every database that has no own", () => {
  const config = configOf(
    "databases:\n  a: {max_connections: 5}\n  b:\nmax_connections: 9\n",
  );
  assertEquals(config.databases.a!.maxConnections, 5);
  assertEquals(config.databases.b!.maxConnections, 9);
  assertEquals(config.origin("databases.b.maxConnections"), "yaml text:4");
});

Deno.test("load() follows anchors and merge keys", () => {
  const config = configOf(
    "databases:\n  a: &base\n    max_connections: 5\n    socket_timeout: 2\n" +
      "  b:\n    <<: *base\n    max_connections: 6\n  c:\n    <<: [*base]\n",
  );
  const { a, b, c } = config.databases;
  assertEquals([a!.maxConnections, b!.maxConnections, c!.maxConnections], [5, 6, 5]);
  assertEquals([b!.commandTimeoutMs, c!.commandTimeoutMs], [2000, 2000]);
});

Deno.test("load() takes templates at the root for anchors, and reads nothing of them", () => {
  const config = configOf(
    "x-small: &small\n  max_connections: 5\n  socket_timeout: ${T:-2}\n" +
      "x-words: [not, settings]\nx-_: ${NOT_SET}\n" +
      "databases:\n  a: { <<: *small, db: 1 }\n  b: *small\n",
  );
  const { a, b } = config.databases;
  assertEquals([a!.maxConnections, a!.commandTimeoutMs, a!.db], [5, 2000, 1]);
  assertEquals([b!.maxConnections, b!.commandTimeoutMs, b!.db], [5, 2000, 0]);
  assertEquals(config.origin("databases.b.maxConnections"), "yaml text:8");
  // What a template holds is judged where it is used, and nowhere else is one known.
  assertEquals(
    onlyProblem(() => configOf("x-a: &a {prt: 1}\ndatabases: {a: {<<: *a}}")).replace(
      /^yaml text:\d+:\d+: /,
      "",
    ),
    'databases.a.prt: unknown setting; did you mean "port"?',
  );
  assertEquals(
    onlyProblem(() => configOf("databases: {a: {x-b: 1}}")),
    "yaml text:1:17: databases.a.x-b: unknown setting",
  );
});

Deno.test("load() takes tls: true and tls: false in short", () => {
  for (
    const [yaml, enabled] of [
      ["tls: true", true],
      ["tls: 'true'", true],
      ["tls: false", false],
      ["tls: ${TLS}", true],
      ["tls: ${OFF:-false}", false],
    ] as const
  ) {
    const { a, b } = configOf(
      `${yaml}\ndatabases: {a: , b: {tls: {server_name: r.test, enabled: true}}}`,
      { TLS: "true" },
    ).databases;
    assertEquals([a!.tls.enabled, b!.tls.enabled, b!.tls.serverName], [
      enabled,
      true,
      "r.test",
    ]);
  }
  const sentinel = "mode: sentinel\nnodes: ['localhost:1']\nsentinel_name: m\n";
  const { a } = configOf(`${sentinel}sentinel_tls: true\ndatabases: {a: }`).databases;
  assertEquals([a!.tls.enabled, a!.sentinelTls.enabled], [false, true]);
  assertEquals(
    configOf("databases: {a: }\ntls: true").origin("databases.a.tls.enabled"),
    "yaml text:2",
  );
});

Deno.test("load() reads an empty file as nothing, and says so", () => {
  for (const yaml of ["", "\n\n", "# only a comment\n", "---\n"]) {
    const { warnings, databases } = configOf(yaml);
    assertEquals(Object.keys(databases).length, 18, JSON.stringify(yaml));
    assertEquals(warnings, ["yaml text: the file is empty"]);
  }
});

Deno.test("load() takes redis_databases and databases, not both", () => {
  assertEquals(Object.keys(configOf("redis_databases: {a: }").databases), ["a"]);
  assertEquals(Object.keys(configOf("databases: {a: }").databases), ["a"]);
  assertEquals(
    onlyProblem(() => configOf("databases: {a: }\nredis_databases: {b: }")),
    "yaml text:2:1: redis_databases: given beside databases; put all databases into " +
      "one of the two",
  );
});

/** YAML that is refused, and the whole complaint. */
const REFUSED: [yaml: string, complaint: string][] = [
  [
    "port: abc",
    'yaml text:1:7: port: found "abc", allowed: a whole number from 1 to 65535',
  ],
  [
    "databases:\n  cache:\n    db: 010\n",
    'yaml text:3:9: databases.cache.db: found "010", allowed: a whole number from 0 to ' +
    "2147483647",
  ],
  [
    "max_conections: 5",
    'yaml text:1:1: max_conections: unknown setting; did you mean "max_connections"?',
  ],
  [
    "databases:\n  cache: {tiemout: 5}\n",
    'yaml text:2:11: databases.cache.tiemout: unknown setting; did you mean "timeout"?',
  ],
  [
    "maxConnections: 5",
    'yaml text:1:1: maxConnections: unknown setting; did you mean "max_connections"?',
  ],
  [
    "tls: {enabeld: true}",
    'yaml text:1:7: tls.enabeld: unknown setting; did you mean "enabled"?',
  ],
  ["zzzzzzzzzzzz: 1", "yaml text:1:1: zzzzzzzzzzzz: unknown setting"],
  [
    "retry_writes: yes",
    'yaml text:1:15: retry_writes: found "yes", allowed: true or false',
  ],
  [
    "mode: Cluster",
    'yaml text:1:7: mode: found "Cluster", allowed: standalone or ' +
    "sentinel or cluster",
  ],
  [
    "timeout: 5\nsocket_timeout: 6",
    "yaml text:2:17: socket_timeout: given twice, by two of its names",
  ],
  [
    "socket_timeout: 0",
    'yaml text:1:17: socket_timeout: found "0", allowed: a number of seconds from ' +
    "0.001 to 2147483",
  ],
  [
    "tls: yes",
    "yaml text:1:6: tls: found a text of 3 characters, allowed: a mapping, true or false",
  ],
  [
    "socketTimeout: 5",
    'yaml text:1:1: socketTimeout: unknown setting; did you mean "socket_timeout"?',
  ],
  [
    "commandTimeoutMs: 5000",
    'yaml text:1:1: commandTimeoutMs: unknown setting; did you mean "socket_timeout"?',
  ],
  [
    "connect_retry: {maxMs: 5000}",
    'yaml text:1:17: connect_retry.maxMs: unknown setting; did you mean "max"?',
  ],
  ["- a\n- b", "yaml text: : found a list of 2, allowed: a mapping of settings"],
  [
    "just words",
    "yaml text: : found a text of 10 characters, allowed: a mapping of " +
    "settings",
  ],
  [
    "databases: [a]",
    "yaml text:1:12: databases: found a list of 1, allowed: a mapping " +
    "of names to settings",
  ],
  [
    "databases:\n  cache: 5\n",
    "yaml text:2:10: databases.cache: found a text of 1 characters, allowed: a mapping",
  ],
  [
    "databases:\n  two words: {db: 1}\n",
    'yaml text:2:3: databases: found the name "two…", allowed: letters, digits, _, -, . ' +
    "and :, at most 128 characters",
  ],
  [
    "host: [a]",
    "yaml text:1:7: host: found a list of 1, allowed: a host name or address without " +
    "port or scheme",
  ],
  [
    "nodes: 5",
    'yaml text:1:8: nodes: found "5", allowed: a list of {host, port} or "host:port"',
  ],
  [
    "nodes: [a]",
    'yaml text:1:9: nodes: found "a", allowed: "host:port"',
  ],
  [
    "nodes: [{host: a}]",
    "yaml text:1:9: nodes: port is missing, allowed: a whole number from 1 to 65535",
  ],
  [
    "nodes: [{host: a, port: 1, weight: 2}]",
    'yaml text:1:9: nodes: unknown setting "weight", allowed: host and port',
  ],
  [
    "databases: {a: {unknown_database: main}}",
    "yaml text:1:17: databases.a.unknown_database: unknown setting",
  ],
  ["alias_of: main", "yaml text:1:1: alias_of: unknown setting"],
];

Deno.test("load() says where, what was found and what is allowed", () => {
  for (const [yaml, complaint] of REFUSED) {
    assertEquals(onlyProblem(() => configOf(yaml)), complaint, yaml);
  }
});

Deno.test("load() lists all problems, in the order of the file", () => {
  const yaml = "databases:\n  cache: { db: abc, tiemout: 4 }\nport: 70000\npasword: x\n";
  assertEquals(
    problemsOf(() => configOf(yaml)).map(({ origin, key }) => `${origin} ${key}`),
    [
      "yaml text:2:16 databases.cache.db",
      "yaml text:2:21 databases.cache.tiemout",
      "yaml text:3:7 port",
      "yaml text:4:1 pasword",
    ],
  );
});

Deno.test("load() says what a variable needs that stands bare within braces", () => {
  const hint = "; within {…} and […] a ${NAME} needs quotes around it";
  const problem = (yaml: string) => onlyProblem(() => configOf(yaml, { PW: "x" }));
  assertEquals(
    problem("databases:\n  main: { db: 0, password: ${PW} }\n"),
    `yaml text:2:29: databases.main.password: this is not valid YAML${hint}`,
  );
  assertMatch(problem("nodes: [${PW}:1]"), /this is not valid YAML; within/);
  // Quoted, or alone on its line, a variable is text like any other.
  for (const yaml of ['databases: { main: { host: "${PW}" } }', "host: ${PW}"]) {
    assertEquals(configOf(yaml, { PW: "x" }).databases.main!.host, "x");
  }
  assertEquals(problem("host: ${PW}: x").includes(hint), false);
});

Deno.test("load() knows the password from a file, whatever it looks like", async () => {
  for (
    const [yaml, password] of [
      ["password: 010", "010"],
      ["password: 12345678901234567890", "12345678901234567890"],
      ["password: yes", "yes"],
      ["password: 'null'", "null"],
      ["password: 2024-01-01", "2024-01-01"],
      ["password: null", undefined],
      ["password: ''", undefined],
    ] as const
  ) {
    const { databases } = configOf(`${yaml}\ndatabases: {a: }`);
    assertEquals(await reveal(databases.a!.password), password, yaml);
  }
});

Deno.test("fromYaml() gives a file's settings with their origins", () => {
  const partial = RedisConfigLoader.fromYaml(
    "databases:\n  a:\n    db: 3\n    tls: {enabled: true}\ntimeout: 2\n",
    "redis.yaml",
    {},
  );
  assertEquals(partial.options.commandTimeoutMs, 2000);
  assertEquals(partial.options.databases!.a, { db: 3, tls: { enabled: true } });
  assertEquals({ ...partial.origins }, {
    commandTimeoutMs: "redis.yaml:5",
    "databases.a.db": "redis.yaml:3",
    "databases.a.tls.enabled": "redis.yaml:4",
  });
});
