import { assert, assertEquals, assertFalse } from "@std/assert";
import { parse } from "@std/yaml/parse";
import { Ajv } from "npm:ajv@^8.17.1";
import { schemaText } from "../../../config/generate.ts";
import { configJsonSchema } from "../../../src/config/json_schema.ts";
import { starterYaml } from "../../../src/config/starter.ts";
import { configOf, FOURTEEN, problemsOf } from "./support.ts";

const CONFIG_DIR = new URL("../../../config/", import.meta.url);
const validate = new Ajv({ strict: true, allowUnionTypes: true }).compile(
  configJsonSchema(),
);

/** What an editor sees: the YAML with YAML's own types. */
function isValid(yaml: string): boolean {
  return validate(parse(yaml, { schema: "core" })) as boolean;
}

Deno.test("redis-databases.schema.json is fresh (config/generate.ts writes it)", async () => {
  const file = new URL("redis-databases.schema.json", CONFIG_DIR);
  assertEquals(await Deno.readTextFile(file), schemaText());
});

Deno.test("the JSON schema takes the sample, the real file and the starter", async () => {
  const files = [new URL("redis-databases.yaml", CONFIG_DIR), FOURTEEN];
  const texts = await Promise.all(files.map((file) => Deno.readTextFile(file)));
  for (const text of [...texts, starterYaml()]) {
    assert(isValid(text), JSON.stringify(validate.errors));
    configOf(text);
  }
});

Deno.test("the sample names the schema for editors", async () => {
  const text = await Deno.readTextFile(new URL("redis-databases.yaml", CONFIG_DIR));
  assert(
    text.startsWith("# yaml-language-server: $schema=./redis-databases.schema.json\n"),
  );
});

/** Files that both the loader and the schema take. */
const GOOD = [
  "",
  "databases: {}",
  "databases:",
  "redis_databases: {a: {db: 1}}",
  "databases: {a: null}",
  "port: '6379'",
  "port: ${PORT:-6379}",
  "socket_timeout: '2.5'",
  "retry_writes: ${W:-true}",
  "mode: ${M:-standalone}",
  "password: null",
  "timeout: null\nsocket_timeout: 5",
  "log_level: INFO\nlog_commands: true",
  "nodes: ['a:1', {host: b, port: 2}]",
  "url: redis://h:1/2",
  "tls: {enabled: true, verify: true}",
  "tls: true",
  "sentinel_tls: 'false'",
  "tls: ${T:-false}",
  "x-cache: &cache {timeout: 1}\nx-words: any\ndatabases: {a: *cache}",
  "host: ::1",
  "unknown_database: main",
  "max_lifetime: 0",
];

Deno.test("the JSON schema takes what the loader takes", () => {
  for (const yaml of GOOD) {
    configOf(yaml);
    assert(isValid(yaml), `${yaml}: ${JSON.stringify(validate.errors)}`);
  }
});

/** Files that both refuse. */
const BAD = [
  "just words",
  "- a",
  "port: abc",
  "port: 0",
  "port: 65536",
  "port: 6379.5",
  "port: true",
  "port: [1]",
  "port: {a: 1}",
  "port: '06379'",
  "prot: 6379",
  "max_conections: 5",
  "maxConnections: 5",
  "max_connections: 0",
  "max_connections: -1",
  "max_connections: 100001",
  "min_connections: -1",
  "max_lanes: 0",
  "db: -1",
  "db: 1.5",
  "socket_timeout: 0",
  "socket_timeout: -5",
  "socket_timeout: 5s",
  "socket_timeout: 99999999",
  "timeout: 5\nsocket_timeout: 5",
  "timeout: 5\ntimeout_seconds: 5",
  "max_retries: 1\nretry_attempts: 1",
  "retry_writes: yes",
  "retry_writes: 1",
  "socket_keepalive: on",
  "mode: Cluster",
  "mode: 5",
  "transport: bun",
  "tls: yes",
  "connect_retry: true",
  "tls: {enabeld: true}",
  "tls: {enabled: maybe}",
  "connect_retry: {jitter: 2}",
  "connect_retry: {multiplier: 0}",
  "connect_retry: [1]",
  "retry_budget: {ratio: -1}",
  "socket_keepalive_options: {count: 0}",
  "socket_keepalive_options: {idle: 0.5}",
  "host: ''",
  "host: localhost:6379",
  "host: redis://h",
  "host: two words",
  "host: [a]",
  "host: h\nunix_socket: /r",
  "password: x\npassword_file: /p",
  "password: [x]",
  "url: http://h",
  "url: localhost",
  "nodes: a",
  "nodes: [a]",
  "nodes: [{host: a}]",
  "nodes: [{host: a, port: 0}]",
  "nodes: [{host: a, port: 1, x: 2}]",
  "databases: [a]",
  "databases: words",
  "databases: {a: 5}",
  "databases: {two words: {}}",
  "databases: {-a: {}}",
  "databases: {a: {db: x}}",
  "databases: {a: {unknown: 1}}",
  "databases: {a: {unknown_database: main}}",
  "databases: {a: {host: h, unix_socket: /r}}",
  "databases: {a: }\nredis_databases: {b: }",
  "unknown_database: first",
  "max_total_connections: 0",
  "cleanup_interval: -1",
  "alias_of: main",
  "description: x",
  "username: ' '",
  "unix_socket: ''",
];

Deno.test(`the JSON schema refuses what the loader refuses (${BAD.length} files)`, () => {
  assert(BAD.length >= 40);
  for (const yaml of BAD) {
    problemsOf(() => configOf(yaml));
    assertFalse(isValid(yaml), yaml);
  }
});
