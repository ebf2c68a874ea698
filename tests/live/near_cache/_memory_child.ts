/** Fills a near cache with one shape of replies, and prints the share of `max_bytes` that it
 * takes; without a shape prints all shapes. */
import { Buffer } from "node:buffer";
import process from "node:process";
import { Entries, Entry, hashOf } from "../../../src/near_cache/entries.ts";
import { detachReply } from "../../../src/near_cache/reply_values.ts";

/** Heap and the memory of Buffers, after a collection. */
async function used(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    (globalThis as unknown as { gc(): void }).gc();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { external, heapUsed } = process.memoryUsage();
  return heapUsed + external;
}

/** Replies as the parser makes them: nothing of one is shared with another. */
const SHAPES: Readonly<Record<string, (i: number) => unknown>> = {
  "short text": (i) => Buffer.from(`value ${i}`).toString(),
  "text": (i) => Buffer.from(`${i} `.padEnd(500, "x")).toString(),
  "text of two bytes": (i) => Buffer.from(`${i} `.padEnd(300, "☃")).toString(),
  "bytes": (i) => Buffer.from(`${i} `.padEnd(500, "x")),
  "hash": (i) =>
    Object.fromEntries(
      Array.from({ length: 8 }, (_, j) => [
        Buffer.from(`field${j}`).toString(),
        Buffer.from(`value ${i} ${j}`).toString(),
      ]),
    ),
  "hash of many fields": (i) =>
    Object.fromEntries(
      Array.from({ length: 200 }, (_, j) => [
        Buffer.from(`f${i}:${j}`).toString(),
        Buffer.from(`value ${i} ${j}`).toString(),
      ]),
    ),
  "hash of other fields": (i) =>
    Object.fromEntries(
      Array.from({ length: 8 }, (_, j) => [
        Buffer.from(`f${i}:${j}`).toString(),
        Buffer.from(`value ${i} ${j}`).toString(),
      ]),
    ),
  "list": (i) =>
    Array.from({ length: 50 }, (_, j) => Buffer.from(`${i}:${j}`).toString()),
  "null": () => null,
};

const MAX_BYTES = 16 * 1024 * 1024;

const make = SHAPES[Deno.args[0]!];
if (make === undefined) console.log(JSON.stringify(Object.keys(SHAPES)));
else {
  // What is compiled, and made once, is there before.
  fill(make, 10);
  const before = await used();
  const entries = fill(make, Infinity);
  const share = (await used() - before) / MAX_BYTES;
  console.log(JSON.stringify({ share, estimated: entries.bytes / MAX_BYTES }));
}

/** Fills a cache until it has put out some. */
function fill(make: (i: number) => unknown, most: number): Entries {
  const entries = new Entries({ maxEntries: 1e7, maxBytes: MAX_BYTES });
  const source = {};
  for (let i = 0; entries.evicted < 100 && i < most; i++) {
    const key = `user:${i}`;
    const entry = new Entry(key, hashOf(key), "get", true);
    entries.add(entry);
    entries.keep(entry, detachReply(make(i)), source, Infinity);
  }
  return entries;
}
