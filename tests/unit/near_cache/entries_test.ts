import { assert, assertEquals } from "@std/assert";
import { Entries, Entry, hashOf } from "../../../src/near_cache/entries.ts";
import { seeded } from "../transport/reply_streams.ts";

const SOURCE = {};

/** Adds an entry whose reply is awaited. */
function add(entries: Entries, key: string, form = "get"): Entry {
  const entry = new Entry(key, hashOf(key), form, true);
  entries.add(entry);
  return entry;
}

function find(entries: Entries, key: string, form = "get"): Entry | undefined {
  return entries.find(key, hashOf(key), form);
}

/** Adds a reply as a miss does. */
function put(entries: Entries, key: string, value: unknown, form = "get"): Entry {
  const entry = add(entries, key, form);
  entries.keep(entry, value, SOURCE, Infinity);
  return entry;
}

/** The keys that are kept. */
function keysOf(entries: Entries, among: readonly string[]): string[] {
  return among.filter((key) => find(entries, key)?.state === "kept");
}

const letters = "abcdefgh".split("");

Deno.test("Entries.keep() puts out the oldest that was not used since the hand passed", () => {
  const entries = new Entries({ maxEntries: 3, maxBytes: 1e9 });
  for (const key of "abc") put(entries, key, 1);
  find(entries, "a")!.isUsed = true;
  put(entries, "d", 1);
  assertEquals(keysOf(entries, letters), ["a", "c", "d"]);
  // The hand has passed a, and stands at c.
  put(entries, "e", 1);
  assertEquals(keysOf(entries, letters), ["a", "d", "e"]);
  assertEquals([entries.kept, entries.evicted], [3, 2]);
});

Deno.test("Entries.keep() lets no scan put out what is read often", () => {
  const entries = new Entries({ maxEntries: 100, maxBytes: 1e9 });
  const often = Array.from({ length: 50 }, (_, i) => `often${i}`);
  for (const key of often) put(entries, key, 1).isUsed = true;
  for (let i = 0; i < 100_000; i++) {
    put(entries, `once${i}`, 1);
    // Each of the others is read once in 5,000 keys of the scan.
    if (i % 100 === 0) find(entries, often[(i / 100) % 50]!)!.isUsed = true;
  }
  assertEquals(keysOf(entries, often), often);
});

Deno.test("Entries.keep() keeps to the bytes, and keeps nothing too large", () => {
  const entries = new Entries({ maxEntries: 1e6, maxBytes: 100_000 });
  for (let i = 0; i < 1000; i++) put(entries, `k${i}`, "x".repeat(1000));
  assert(entries.bytes <= 100_000 && entries.bytes > 90_000, `${entries.bytes}`);
  const { kept } = entries;
  assertEquals(put(entries, "large", "x".repeat(13_000)).state, "gone");
  assertEquals(put(entries, "errors", [new Error("x")]).state, "gone");
  assertEquals(entries.kept, kept);
  entries.clear();
  assertEquals([entries.kept, entries.bytes], [0, 0]);
});

Deno.test("an entry that was forgotten while its reply was awaited is not kept", () => {
  for (const how of ["forget", "clear", "forgetWhere", "drop"] as const) {
    const entries = new Entries({ maxEntries: 9, maxBytes: 1e9 });
    const entry = add(entries, "k");
    if (how === "drop") entries.drop(entry);
    else if (how === "forgetWhere") entries.forgetWhere(({ key }) => key === "k");
    else entries[how]("k");
    assertEquals(entries.keep(entry, 1, SOURCE, Infinity), false, how);
    assertEquals([entries.kept, find(entries, "k")], [0, undefined], how);
  }
});

Deno.test("Entries is what a plain list is, whatever happens in what order", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = seeded(seed);
    const below = (n: number) => Math.floor(random() * n);
    const entries = new Entries({ maxEntries: 1e6, maxBytes: 1e9 });
    let model: { key: string; form: string; source: object; isKept: boolean }[] = [];
    const sources = [{}, {}];
    const pending: Entry[] = [];
    for (let step = 0; step < 200; step++) {
      const key = letters[below(8)]!;
      const form = ["get", "strlen", "getrange 1:0 1:5"][below(3)]!;
      const is = (each: { key: string; form: string }) =>
        each.key === key && each.form === form;
      const choice = below(10);
      if (choice < 4 && !model.some(is)) {
        pending.push(add(entries, key, form));
        model.push({ key, form, source: SOURCE, isKept: false });
      } else if (choice < 7 && pending.length > 0) {
        const [entry] = pending.splice(below(pending.length), 1);
        const source = sources[below(2)]!;
        const known = model.find((each) =>
          each.key === entry!.key && each.form === entry!.form && !each.isKept
        );
        const isKept = entries.keep(entry!, "v", source, Infinity);
        // One that was forgotten may have been asked for again.
        if (isKept) Object.assign(known!, { source, isKept });
      } else if (choice === 7) {
        const before = model.filter((each) => each.key === key && each.isKept).length;
        model = model.filter((each) => each.key !== key);
        assertEquals(entries.forget(key), before);
      } else if (choice === 8) {
        const source = sources[below(2)]!;
        model = model.filter((each) => each.source !== source);
        entries.forgetWhere((entry) => entry.source === source);
      } else {
        const entry = find(entries, key, form);
        assertEquals(entry !== undefined, model.some(is));
        if (entry !== undefined) entries.drop(entry);
        model = model.filter((each) => !is(each));
      }
      assertEquals(entries.kept, model.filter(({ isKept }) => isKept).length);
      for (const each of model) {
        const found = find(entries, each.key, each.form);
        assertEquals(found?.state, each.isKept ? "kept" : "pending", `seed ${seed}`);
      }
    }
    entries.forgetWhere(() => true);
    assertEquals([entries.kept, entries.bytes], [0, 0]);
  }
});
