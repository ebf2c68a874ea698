type Pairs = Map<unknown, Set<unknown>>;

const TypedArray = Object.getPrototypeOf(Uint8Array) as {
  new (): ArrayLike<unknown> & object;
};

/** Types whose text says all there is to know of a value. */
const SPOKEN_TYPES: ReadonlySet<unknown> = new Set(
  [
    RegExp,
    URL,
    URLSearchParams,
    Intl.Locale,
    ...temporalTypes(),
  ].map((type) => type.prototype),
);

/** Temporal's types, where the runtime has them. */
function temporalTypes(): { prototype: unknown }[] {
  const temporal: unknown = Reflect.get(globalThis, "Temporal");
  if (typeof temporal !== "object" || temporal === null) return [];
  return [
    "Duration",
    "Instant",
    "PlainDate",
    "PlainDateTime",
    "PlainMonthDay",
    "PlainTime",
    "PlainYearMonth",
    "ZonedDateTime",
  ].map((name) => Reflect.get(temporal, name));
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function same(a: unknown, b: unknown): boolean {
  return a === b || Object.is(a, b);
}

/** The prototype, where an object without any counts as a plain one. */
function prototypeOf(value: object): unknown {
  return Object.getPrototypeOf(value) ?? Object.prototype;
}

function isPlain(value: object): boolean {
  const prototype = prototypeOf(value);
  return prototype === Object.prototype || prototype === Array.prototype;
}

/** Every key that can be read from the value: its own, and those of its classes. */
function readableKeys(value: object): PropertyKey[] {
  const keys = Reflect.ownKeys(value);
  let prototype: object | null = Object.getPrototypeOf(value);
  while (
    prototype && prototype !== Object.prototype && prototype !== Array.prototype
  ) {
    keys.push(...Reflect.ownKeys(prototype));
    prototype = Object.getPrototypeOf(prototype);
  }
  return keys;
}

/** The keys to compare: a plain value's enumerable ones and symbols, else every one. */
function comparedKeys(a: object, b: object): Set<PropertyKey> {
  return isPlain(a)
    ? new Set(Reflect.ownKeys({ ...a, ...b }))
    : new Set([...readableKeys(a), ...readableKeys(b)]);
}

function equalArrays(a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!same(a[i], b[i])) return false;
  return true;
}

function isBuffer(value: object): value is ArrayBufferLike {
  return value instanceof ArrayBuffer ||
    (typeof SharedArrayBuffer !== "undefined" && value instanceof SharedArrayBuffer);
}

/** Entries in any order; a key that is an object matches any entry that is deeply equal. */
function equalEntries(
  a: ReadonlyMap<unknown, unknown>,
  b: ReadonlyMap<unknown, unknown>,
  seen: Pairs,
): boolean {
  if (a.size !== b.size) return false;
  const unmatched = new Map(b);
  for (const [key, value] of a) {
    if (unmatched.has(key) && compare(value, unmatched.get(key), seen)) {
      unmatched.delete(key);
      continue;
    }
    if (!isObject(key)) return false;
    const match = [...unmatched].find(([otherKey, otherValue]) =>
      compare(key, otherKey, seen) && compare(value, otherValue, seen)
    );
    if (!match) return false;
    unmatched.delete(match[0]);
  }
  return true;
}

function equalProperties(a: object, b: object, seen: Pairs): boolean {
  for (const key of comparedKeys(a, b)) {
    if ((key in a) !== (key in b)) return false;
    if (!compare(Reflect.get(a, key), Reflect.get(b, key), seen)) return false;
  }
  return true;
}

/** Values that hold others: a pair that is being compared already counts as equal. */
function equalContainers(a: object, b: object, seen: Pairs): boolean {
  const partners = seen.get(a) ?? new Set();
  if (partners.has(b)) return true;
  seen.set(a, partners.add(b));
  if (Object.keys(a).length !== Object.keys(b).length) return false;
  if (a instanceof Map && b instanceof Map) return equalEntries(a, b, seen);
  if (a instanceof Set && b instanceof Set) {
    return equalEntries(new Map(a.entries()), new Map(b.entries()), seen);
  }
  if (SPOKEN_TYPES.has(Object.getPrototypeOf(a))) return String(a) === String(b);
  return equalProperties(a, b, seen);
}

function compare(a: unknown, b: unknown, seen: Pairs): boolean {
  if (same(a, b)) return true;
  if (!isObject(a) || !isObject(b)) return false;
  if (a instanceof Date && b instanceof Date) {
    return Object.is(a.getTime(), b.getTime());
  }
  if (prototypeOf(a) !== prototypeOf(b)) return false;
  if (a instanceof TypedArray && b instanceof TypedArray) return equalArrays(a, b);
  if (isBuffer(a) && isBuffer(b)) {
    return equalArrays(new Uint8Array(a), new Uint8Array(b));
  }
  if (a instanceof WeakMap) throw new TypeError("Cannot compare WeakMap instances");
  if (a instanceof WeakSet) throw new TypeError("Cannot compare WeakSet instances");
  if (a instanceof WeakRef && b instanceof WeakRef) {
    return compare(a.deref(), b.deref(), seen);
  }
  return equalContainers(a, b, seen);
}

/**
 * Whether two values are deeply equal.
 *
 * @param a The one value.
 * @param b The other value.
 * @returns `true` if they are equal by value; functions, and data that can only be read
 * asynchronously, are compared by reference.
 * @throws {TypeError} If the values are of type `WeakMap` or `WeakSet`.
 *
 * @example Usage
 * ```ts
 * import { equal } from "@std/assert/equal";
 *
 * equal({ a: [1] }, { a: [1] }); // true
 * ```
 */
export function equal(a: unknown, b: unknown): boolean {
  return compare(a, b, new Map());
}
