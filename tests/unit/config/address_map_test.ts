import { assertEquals, assertThrows } from "@std/assert";
import { addressMapper } from "../../../src/config/address_map.ts";
import type { NodeAddressMap } from "../../../src/config/settings.ts";
import { ConfigError, RedisConfigLoader } from "../../../mod.ts";

const ANNOUNCED = { host: "10.0.0.7", port: 7000 };

Deno.test("addressMapper() keeps the announced host as the name for TLS", () => {
  const expected = { host: "localhost", port: 17_000, serverName: "10.0.0.7" };
  for (
    const map of [
      { "10.0.0.7:7000": "localhost:17000" },
      () => "localhost:17000",
      () => ({ host: "localhost", port: 17_000 }),
    ]
  ) {
    assertEquals(addressMapper(map)(ANNOUNCED), expected);
  }
  // The host is its own name.
  assertEquals(addressMapper(() => "10.0.0.7:17000")(ANNOUNCED), {
    host: "10.0.0.7",
    port: 17_000,
  });
  assertEquals(addressMapper(() => "[::1]:1")(ANNOUNCED).host, "::1");
});

Deno.test("addressMapper() leaves what the map does not know as it is", () => {
  const maps: (NodeAddressMap | undefined)[] = [
    undefined,
    {},
    { "10.0.0.7:7001": "h:1" },
    () => undefined,
  ];
  for (const map of maps) {
    assertEquals(addressMapper(map)(ANNOUNCED), ANNOUNCED);
  }
});

Deno.test("addressMapper() names the address where the user's function fails", () => {
  const fails = (): never => {
    throw new Error("no idea");
  };
  assertThrows(
    () => addressMapper(fails)(ANNOUNCED),
    Error,
    "nodeAddressMap failed for 10.0.0.7:7000: no idea",
  );
  for (const found of ["h", "h:0", "h:x", ":1", "", 7, {}, { host: "h" }, ["h:1"]]) {
    const map = () => found as string;
    assertThrows(() => addressMapper(map)(ANNOUNCED), Error, "what is no address");
  }
});

Deno.test("node_address_map is read from YAML, with variables, and from code", async () => {
  const load = (yamlText: string) =>
    RedisConfigLoader.load({ yamlText, env: { HOST: "nat" } });
  const config = await load(`
databases:
  main:
    mode: cluster
    nodes: ["a:1"]
    node_address_map:
      "10.0.0.7:7000": "\${HOST}:17000"
      "[::1]:7001": "[::2]:17001"
`);
  const expected = { "10.0.0.7:7000": "nat:17000", "[::1]:7001": "[::2]:17001" };
  assertEquals(config.databases.main!.nodeAddressMap, expected);
  const nodeAddressMap = () => undefined;
  const options = { mode: "cluster", nodes: ["a:1"] } as const;
  const { databases } = RedisConfigLoader.fromOptions({
    ...options,
    databases: { main: { nodeAddressMap }, cache: { nodeAddressMap: expected } },
  });
  assertEquals(databases.main!.nodeAddressMap, nodeAddressMap);
  assertEquals(databases.cache!.nodeAddressMap, expected);
});

Deno.test("a node_address_map that is none is refused, with what was found", () => {
  for (
    const [map, message] of [
      ["a:1", "found a text"],
      [["a:1"], "found a list of 1"],
      [{ a: "b:1" }, 'the key "a"'],
      [{ "a:1": "b" }, 'found "b" for "a:1"'],
      [{ "a:1": 7 }, 'found 7 for "a:1"'],
      [{ "a:99999": "b:1" }, 'the key "a:99999"'],
    ] as const
  ) {
    assertThrows(
      () =>
        RedisConfigLoader.fromOptions({
          ...{ mode: "cluster", nodes: ["a:1"] },
          databases: {
            main: { nodeAddressMap: map as unknown as Record<string, string> },
          },
        }),
      ConfigError,
      message === "found a text" ? "found" : message,
    );
  }
});

Deno.test("read_from is checked against mode and client_az", () => {
  const refused = (options: Record<string, unknown>, message: string) =>
    void assertThrows(
      () => RedisConfigLoader.fromOptions({ databases: { main: options } }),
      ConfigError,
      message,
    );
  refused({ readFrom: "replica" }, "needs mode sentinel or cluster");
  const cluster = { mode: "cluster", nodes: ["a:1"] };
  refused({ ...cluster, readFrom: "az_affinity" }, "needs clientAz");
  refused({ ...cluster, readFrom: "slave" }, "primary or prefer_replica or replica");
  const { warnings } = RedisConfigLoader.fromOptions({
    databases: { main: { readFrom: "prefer_replica" } },
  });
  assertEquals(
    warnings.filter((text) => text.includes("reads go to the primary")).length,
    1,
  );
});
