import { Buffer } from "node:buffer";
import { assert, assertEquals } from "@std/assert";
import { RedisConnectionManager } from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { Random } from "../../support/random.ts";
import { makeTlsCases } from "../../support/tls.ts";
import { KINDS } from "./kinds.ts";

const SEED = Number(Deno.env.get("MOORING_TEST_SEED") ?? 7);
const KEYS = 24;

/** A value that tells its place: no two parts of two values are alike. */
function valueOf(key: number, bytes: number): Buffer {
  const unit = `${key}·${bytes};é漢`;
  return Buffer.alloc(bytes, Buffer.from(unit));
}

/** Sizes around those at which something changes: reads, assemblies, decoders. */
function sizeOf(random: Random): number {
  const about = random.pick([1, 255, 4096, 16_384, 65_536, 131_072, 500_000, 2_000_000]);
  return Math.max(1, about + random.between(-20, 20));
}

const ENDPOINTS = KINDS.flatMap(([transport]) =>
  [false, true].map((isSecure) => ({ transport, isSecure }))
);

for (const { transport, isSecure } of ENDPOINTS) {
  const how = `${transport}${isSecure ? " over TLS" : ""}`;
  Deno.test(`values of many sizes are received unchanged, and Buffers stay as they were, on transport ${how}`, async () => {
    await using cases = isSecure ? await makeTlsCases() : undefined;
    await using server = await RedisServer.start(cases && { tls: cases.good });
    await using manager = new RedisConnectionManager({
      host: "localhost",
      port: server.port,
      transport,
      ...(cases && { tls: { enabled: true, caFile: cases.caFile } }),
      // Two connections that read in turn, perhaps into the same memory.
      databases: { one: { db: 0 }, two: { db: 0 } },
    });
    const clients = [manager.getClient("one"), manager.getClient("two")];
    const random = new Random(SEED);
    const values = Array.from({ length: KEYS }, (_, key) => valueOf(key, sizeOf(random)));
    await Promise.all(values.map((value, key) => clients[0]!.set(`k${key}`, value)));
    const kept: [key: number, found: Buffer][] = [];
    const read = async (caller: number, round: number) => {
      const client = clients[caller % 2]!;
      const key = (caller * 7 + round * 5) % KEYS;
      const value = values[key]!;
      switch ((caller + round) % 3) {
        case 0: {
          const found = await client.get(`k${key}`);
          assert(found === value.toString(), `seed ${SEED}: text of k${key}`);
          return;
        }
        case 1: {
          const found = await client.getBuffer(`k${key}`);
          assert(found!.equals(value), `seed ${SEED}: bytes of k${key}`);
          kept.push([key, found!]);
          return;
        }
        default: {
          const found = await client.mget(`k${key}`, "none", `k${(key + 1) % KEYS}`);
          assert(found[0] === value.toString() && found[1] === null, `k${key}`);
        }
      }
    };
    await Promise.all(Array.from({ length: 12 }, async (_, caller) => {
      for (let round = 0; round < 15; round++) await read(caller, round);
    }));
    // What was given out is nobody else's memory, whatever was read since.
    for (const [key, found] of kept) assert(found.equals(values[key]!), `kept k${key}`);
    assertEquals(kept.length, 60);
  });
}
