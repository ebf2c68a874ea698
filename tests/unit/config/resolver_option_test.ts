import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { RedisConfigLoader } from "../../../src/config/mod.ts";
import { ConfigError } from "../../../src/core/errors/mod.ts";
import { configOf } from "./support.ts";

Deno.test("a resolver is taken for all databases or for one, and stays the same function", () => {
  const all = () => "10.0.0.1";
  const own = () => ["10.0.0.2"];
  const { databases } = RedisConfigLoader.fromOptions({
    resolve: all,
    databases: { a: {}, b: { resolve: own }, c: { resolve: null } },
  });
  assertStrictEquals(databases.a!.resolve, all);
  assertStrictEquals(databases.b!.resolve, own);
  assertStrictEquals(databases.c!.resolve, all);
});

Deno.test("what is no function is refused as a resolver, and files know no such setting", () => {
  const options = { databases: { a: { resolve: "10.0.0.1" } } };
  assertThrows(
    () => RedisConfigLoader.fromOptions(options as never),
    ConfigError,
    'databases.a.resolve: found "10.0.0.1", allowed: a function, given in code',
  );
  assertThrows(
    () => configOf("databases: {a: {resolve: x}}"),
    ConfigError,
    "unknown setting",
  );
});

Deno.test("a resolver beside sentinels is told to have no effect", () => {
  const { warnings } = RedisConfigLoader.fromOptions({
    mode: "sentinel",
    sentinelName: "cache",
    nodes: [{ host: "localhost", port: 26379 }],
    resolve: () => "10.0.0.1",
    databases: { a: {} },
  });
  assertEquals(warnings, ["database a: resolve has no effect in mode sentinel"]);
});

Deno.test("sentinels have settings of their own, and what is odd about them is told", () => {
  const text = (rest: string) =>
    "databases: {a: {mode: sentinel, sentinel_name: m, nodes: [s:26379], " +
    `password: of-the-data, tls: {enabled: true}${rest}}}`;
  const { databases, warnings } = configOf(
    text(", sentinel_username: u, sentinel_password: of-the-sentinels"),
  );
  assertEquals(databases.a!.sentinelUsername, "u");
  assertEquals(`${databases.a!.sentinelPassword}`, "***");
  assertEquals(warnings, [
    "database a: the sentinels' password goes to them without TLS: enable sentinel_tls",
  ]);
  assertEquals(configOf(text("")).warnings, [
    "database a: TLS is spoken to the database and not to its sentinels: " +
    "enable sentinel_tls",
  ]);
  assertEquals(configOf(text(", sentinel_tls: {enabled: true}")).warnings, []);
  assertThrows(
    () => configOf(text(", sentinel_tls: {cert_file: /c}")),
    ConfigError,
    "sentinel_tls.key_file is missing",
  );
  assertThrows(
    () => configOf("databases: {a: {url: 'redis://h?sentinel_password=s3cret'}}"),
    ConfigError,
    "is not known",
  );
});
