import { assertEquals } from "@std/assert";
import { parseShards, parseSlots } from "../../../src/cluster/discovery.ts";

const OPTIONS = { askedHost: "asked", tls: false };

function node(fields: Record<string, unknown>): unknown[] {
  return Object.entries({
    id: "x",
    port: 7000,
    ip: "10.0.0.7",
    endpoint: "10.0.0.7",
    role: "master",
    health: "online",
    ...fields,
  }).flat();
}

function shard(slots: number[], ...nodes: unknown[]): unknown[] {
  return ["slots", slots, "nodes", nodes];
}

Deno.test("parseShards() reads every range of every shard's primary, and its replicas", () => {
  const reply = [
    shard([0, 9, 20, 29], node({}), node({ role: "replica", port: 7001 })),
    shard([10, 19], node({ endpoint: "host.example", port: 7002 })),
    shard([], node({ port: 7003 })),
  ];
  const first = { host: "10.0.0.7", port: 7000 };
  const second = { host: "host.example", port: 7002 };
  const replicas = [{ host: "10.0.0.7", port: 7001 }];
  assertEquals(parseShards(reply, OPTIONS), [
    { first: 0, last: 9, node: first, replicas },
    { first: 20, last: 29, node: first, replicas },
    { first: 10, last: 19, node: second, replicas: [] },
  ]);
});

Deno.test("parseShards() takes the asked host for one that is empty, unknown or null", () => {
  for (const endpoint of ["", "?", null]) {
    assertEquals(
      parseShards([shard([0, 1], node({ endpoint }))], OPTIONS)?.[0]?.node,
      { host: "asked", port: 7000 },
    );
  }
});

Deno.test("parseShards() takes the port of TLS where it is spoken", () => {
  const reply = [shard([0, 1], node({ "tls-port": 7443 }))];
  assertEquals(parseShards(reply, OPTIONS)?.[0]?.node.port, 7000);
  assertEquals(parseShards(reply, { ...OPTIONS, tls: true })?.[0]?.node.port, 7443);
  const only = [shard([0, 1], ["tls-port", 7443, "endpoint", "h", "role", "master"])];
  assertEquals(parseShards(only, { ...OPTIONS, tls: true })?.[0]?.node.port, 7443);
});

Deno.test("parseShards() takes a healthy primary before one that has failed", () => {
  const failed = node({ health: "fail", port: 7000 });
  const promoted = node({ port: 7001 });
  assertEquals(
    parseShards([shard([0, 1], failed, promoted)], OPTIONS)?.[0]?.node.port,
    7001,
  );
  assertEquals(parseShards([shard([0, 1], failed)], OPTIONS)?.[0]?.node.port, 7000);
  const replica = node({ role: "replica" });
  assertEquals(parseShards([shard([0, 1], replica)], OPTIONS), []);
});

Deno.test("parseShards() reads the maps of RESP3", () => {
  const primary = { port: 7000, endpoint: "h", role: "master", health: "online" };
  const expected = [{ first: 0, last: 1, node: { host: "h", port: 7000 }, replicas: [] }];
  assertEquals(parseShards([{ slots: [0, 1], nodes: [primary] }], OPTIONS), expected);
  const map = new Map<string, unknown>([
    ["slots", [0, 1]],
    ["nodes", [new Map(Object.entries(primary))]],
  ]);
  assertEquals(parseShards([map], OPTIONS), expected);
});

Deno.test("parseSlots() reads the primary, which stands first, and its replicas", () => {
  const reply = [
    [0, 9, ["h", 7000, "id", []], ["h", 7001, "id", []]],
    [10, 19, ["", 7002, "id", []], ["h", 7003, "id", []]],
  ];
  assertEquals(parseSlots(reply, OPTIONS), [
    {
      ...{ first: 0, last: 9, node: { host: "h", port: 7000 } },
      replicas: [{ host: "h", port: 7001 }],
    },
    {
      ...{ first: 10, last: 19, node: { host: "asked", port: 7002 } },
      replicas: [{ host: "h", port: 7003 }],
    },
  ]);
});

Deno.test("replies that are none of a cluster are refused whole", () => {
  for (const reply of [null, "OK", 7, [7], [["slots"]], {}]) {
    assertEquals(parseShards(reply, OPTIONS), undefined);
    assertEquals(parseSlots(reply, OPTIONS), undefined);
  }
  for (const [first, last] of [[-1, 3], [5, 4], [0, 16_384], ["a", 4]]) {
    assertEquals(parseSlots([[first, last, ["h", 7000]]], OPTIONS), undefined);
    const slots = [first, last] as number[];
    assertEquals(parseShards([shard(slots, node({}))], OPTIONS), undefined);
  }
  for (const port of [0, 65_536, "x", 1.5]) {
    assertEquals(parseSlots([[0, 1, ["h", port]]], OPTIONS), undefined);
  }
});
