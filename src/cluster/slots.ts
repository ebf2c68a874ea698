/** Slots of a Redis cluster. */
export const SLOTS = 16_384;

/** The remainders of CRC-16/XMODEM, by the byte that goes in. */
const REMAINDERS: Uint16Array = new Uint16Array(256).map((_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc;
});

const OPEN = 0x7b;
const CLOSE = 0x7d;
const encoder = new TextEncoder();

/**
 * The cluster slot of a key: that of its tag, what stands between the first `{` and the
 * next `}`, if there is anything between them; else that of the whole key.
 *
 * The client library's own function goes on looking for a tag behind an empty one
 * (`foo{}{bar}`), which the server does not.
 *
 * @param key The key as it is sent, its prefix included.
 * @returns The slot, 0 to 16383.
 *
 * @example Usage
 * ```ts
 * import { keySlot } from "./key_slot.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(keySlot("foo"), 12182);
 * assertEquals(keySlot("{user:1}:name"), keySlot("{user:1}:mail"));
 * ```
 */
export function keySlot(key: string | Uint8Array): number {
  const bytes = typeof key === "string" ? encoder.encode(key) : key;
  const open = bytes.indexOf(OPEN);
  const close = open === -1 ? -1 : bytes.indexOf(CLOSE, open + 1);
  const hasTag = close > open + 1;
  const end = hasTag ? close : bytes.length;
  let crc = 0;
  for (let i = hasTag ? open + 1 : 0; i < end; i++) {
    crc = (crc << 8 & 0xffff) ^ REMAINDERS[(crc >> 8) ^ bytes[i]!]!;
  }
  return crc & (SLOTS - 1);
}

/**
 * The slot of a key that a prefix is put before.
 *
 * @param prefix The prefix; may be empty.
 * @param key The key as the caller writes it.
 * @returns The slot, 0 to 16383.
 *
 * @example Usage
 * ```ts
 * import { keySlot, prefixedSlot } from "./key_slot.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(prefixedSlot("app:", "foo"), keySlot("app:foo"));
 * ```
 */
export function prefixedSlot(prefix: string, key: string | Uint8Array): number {
  if (typeof key === "string") return keySlot(prefix + key);
  const before = encoder.encode(prefix);
  const bytes = new Uint8Array(before.length + key.length);
  bytes.set(before);
  bytes.set(key, before.length);
  return keySlot(bytes);
}

/** A key and the slot that it is in. */
export interface PlacedKey {
  /** The key. */
  readonly key: string | Uint8Array;
  /** Its slot. */
  readonly slot: number;
}

/**
 * Finds two keys that no one node need have both of.
 *
 * @param keys The keys, as they are sent.
 * @returns The first key and the first one in another slot; `undefined` if all are in one.
 *
 * @example Usage
 * ```ts
 * import { findCrossSlot } from "./key_slot.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(findCrossSlot(["{a}1", "{a}2"]), undefined);
 * assertEquals(findCrossSlot(["foo", "bar"])?.map(({ slot }) => slot), [12182, 5061]);
 * ```
 */
export function findCrossSlot(
  keys: Iterable<string | Uint8Array>,
): readonly [PlacedKey, PlacedKey] | undefined {
  let first: PlacedKey | undefined;
  for (const key of keys) {
    const placed = { key, slot: keySlot(key) };
    if (first === undefined) first = placed;
    else if (placed.slot !== first.slot) return [first, placed];
  }
  return undefined;
}
