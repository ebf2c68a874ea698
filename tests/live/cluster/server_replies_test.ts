import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { parseShards, parseSlots } from "../../../src/cluster/discovery.ts";
import { keySlot, parseRedirect, SlotMap } from "../../../src/cluster/slots.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import type { RedisServer } from "../../../src/testing/redis_server.ts";
import { RespError, type RespValue } from "../../../src/testing/resp_parser.ts";

/** Keys with and without tags, some of them as bytes that are no text. */
function manyKeys(): (string | Uint8Array)[] {
  const parts = ["", "{", "}", "{}", "a", "user:1", "é", "😀", "\r\n"];
  const texts = parts.flatMap((a) => parts.flatMap((b) => parts.map((c) => a + b + c)));
  const bytes = Array.from(
    { length: 50 },
    (_, i) => new Uint8Array([255, i, 123, i, 125]),
  );
  return [...texts, ...bytes];
}

/** What a node says when it is asked for a key that it does not serve. */
async function refusalOf(node: RedisServer, key: string): Promise<string> {
  const reply: RespValue = await node.cli("GET", key);
  assertInstanceOf(reply, RespError);
  return reply.message;
}

Deno.test("what a real cluster says of its slots is understood", async () => {
  await using cluster = await ClusterTopology.start({ nodeTimeoutMs: 30_000 });
  const [first, second] = cluster.nodes as [RedisServer, RedisServer];

  for (const key of manyKeys()) {
    assertEquals(keySlot(key), await first.cli("CLUSTER", "KEYSLOT", key), String(key));
  }

  const options = { askedHost: first.host, tls: false };
  const shards = parseShards(await first.cli("CLUSTER", "SHARDS"), options);
  const slots = parseSlots(await first.cli("CLUSTER", "SLOTS"), options);
  assert(shards !== undefined && slots !== undefined);
  for (const map of [SlotMap.of(shards), SlotMap.of(slots)]) {
    assertEquals(map.covered, 16_384);
    assertEquals(map.primaries.length, 3);
    for (const slot of [0, 5000, 11_000, 16_383]) {
      assertEquals(map.ownerOf(slot)?.port, (await cluster.ownerOf(slot)).port);
    }
  }

  const key = "{a}gone";
  const slot = keySlot(key);
  const owner = await cluster.ownerOf(slot);
  const other = owner === first ? second : first;
  assertEquals(parseRedirect(await refusalOf(other, key), other.host), {
    kind: "moved",
    slot,
    node: { host: owner.host, port: owner.port },
  });
  await other.cli("CLUSTER", "SETSLOT", slot, "IMPORTING", await idOf(owner));
  await owner.cli("CLUSTER", "SETSLOT", slot, "MIGRATING", await idOf(other));
  assertEquals(parseRedirect(await refusalOf(owner, key), owner.host), {
    kind: "ask",
    slot,
    node: { host: other.host, port: other.port },
  });
});

async function idOf(node: RedisServer): Promise<string> {
  return String(await node.cli("CLUSTER", "MYID"));
}
