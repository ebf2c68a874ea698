import { Buffer } from "node:buffer";

/**
 * Copies a reply, so that a caller who changes what it got does not change what the cache
 * has. Text, numbers and null are given as they are.
 */
export function copyReply(
  value: unknown,
  copyBytes: (bytes: Uint8Array) => Buffer = Buffer.from,
): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) return copyBytes(value);
  if (Array.isArray(value)) return value.map((item) => copyReply(item, copyBytes));
  // Own properties only, and `__proto__` is one: a hash may have such a field.
  const copy: Record<string, unknown> = { ...value };
  for (const key of Object.keys(copy)) {
    const member = copy[key];
    if (typeof member === "object" && member !== null) {
      define(copy, key, copyReply(member, copyBytes));
    }
  }
  return copy;
}

/** Copies a reply to be kept: its bytes are a part of all that was received together, which
 * would be kept with them. */
export function detachReply(value: unknown): unknown {
  return copyReply(value, (bytes) => {
    const own = Buffer.allocUnsafeSlow(bytes.length);
    own.set(bytes);
    return own;
  });
}

function define(target: object, key: string, value: unknown): void {
  const flags = { configurable: true, enumerable: true, writable: true };
  Object.defineProperty(target, key, { value, ...flags });
}

/** Bytes of an empty string, an array, a Buffer and an object in V8's heap, with 8 bytes a
 * pointer, rounded up. Measured by `tests/live/near_cache/memory_test.ts`. */
const TEXT_BYTES = 24;
const ARRAY_BYTES = 48;
const BUFFER_BYTES = 232;
const OBJECT_BYTES = 56;
/** An object's property, without its name and value: a dictionary's place, which is never
 * quite full, or the shape that no other object has. */
const PROPERTY_BYTES = 120;
const POINTER_BYTES = 8;
const NUMBER_BYTES = 16;

/**
 * Estimates how much memory a reply takes.
 *
 * @returns Bytes; infinite if it has parts that cannot be copied, such as errors.
 */
export function sizeOfReply(value: unknown): number {
  switch (typeof value) {
    case "string":
      return sizeOfText(value);
    case "object":
      return value === null ? 0 : sizeOfObject(value);
    case "bigint":
    case "number":
      return NUMBER_BYTES;
    default:
      return value === undefined || typeof value === "boolean" ? 0 : Infinity;
  }
}

function sizeOfObject(value: object): number {
  if (value instanceof Uint8Array) return BUFFER_BYTES + value.byteLength;
  if (Array.isArray(value)) {
    let bytes = ARRAY_BYTES;
    for (const item of value) bytes += POINTER_BYTES + sizeOfReply(item);
    return bytes;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return Infinity;
  let bytes = OBJECT_BYTES;
  for (const [key, member] of Object.entries(value)) {
    bytes += PROPERTY_BYTES + sizeOfText(key) + sizeOfReply(member);
  }
  return bytes;
}

// deno-lint-ignore no-control-regex -- V8 takes one byte for each of these characters
const ONE_BYTE = /^[\x00-\xff]*$/;

/** Bytes of a string in V8's heap. */
export function sizeOfText(text: string): number {
  return TEXT_BYTES + (ONE_BYTE.test(text) ? text.length : text.length * 2);
}
