import { assertEquals } from "./equals.ts";

type Loose = Record<PropertyKey, unknown>;

function isObject(value: unknown): value is Loose {
  return typeof value === "object" && value !== null;
}

/** Sets a property without calling a setter: a key may be called `__proto__`. */
function put(target: Loose, key: PropertyKey, value: unknown): void {
  Object.defineProperty(target, key, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}

/** Copies of values, cut down to what the values they are compared with speak of. */
class Cutter {
  /** Copies made so far, by value and pattern: values may refer to themselves. */
  readonly #copies = new Map<unknown, Map<unknown, unknown>>();

  cut(value: unknown, pattern: unknown): unknown {
    if (!isObject(value) || !isObject(pattern)) return value;
    if (value instanceof RegExp || value instanceof Date) return value;
    if (value instanceof Set && pattern instanceof Set) {
      return value.intersection(pattern);
    }
    const known = this.#copies.get(value)?.get(pattern);
    if (known !== undefined) return known;
    if (Array.isArray(value) && Array.isArray(pattern)) {
      return this.#cutArray(value, pattern);
    }
    if (value instanceof Map && pattern instanceof Map) {
      return this.#cutMap(value, pattern);
    }
    return this.cutObject(value, pattern);
  }

  cutObject(value: Loose, pattern: Loose): Loose {
    const copy = this.#remember<Loose>(value, pattern, {});
    const keys = Reflect.ownKeys(value);
    const wanted = new Set(Reflect.ownKeys(pattern));
    const common = keys.filter((key) => wanted.has(key));
    // Nothing in common: all of it, so that the difference can be seen.
    if (common.length === 0 && wanted.size > 0) {
      for (const key of keys) put(copy, key, value[key]);
    }
    for (const key of common) put(copy, key, this.cut(value[key], pattern[key]));
    return copy;
  }

  #cutArray(value: unknown[], pattern: unknown[]): unknown[] {
    const copy = this.#remember<unknown[]>(value, pattern, []);
    const length = Math.min(value.length, pattern.length);
    for (let i = 0; i < length; i++) copy.push(this.cut(value[i], pattern[i]));
    return copy;
  }

  #cutMap(
    value: Map<unknown, unknown>,
    pattern: Map<unknown, unknown>,
  ): Map<unknown, unknown> {
    const copy = this.#remember(value, pattern, new Map<unknown, unknown>());
    for (const [key, item] of value) {
      if (pattern.has(key)) copy.set(key, this.cut(item, pattern.get(key)));
    }
    return copy;
  }

  #remember<T>(value: unknown, pattern: unknown, copy: T): T {
    const copies = this.#copies.get(value) ?? new Map<unknown, unknown>();
    this.#copies.set(value, copies.set(pattern, copy));
    return copy;
  }
}

function cut(value: Loose, pattern: Loose): Loose {
  if (!isObject(value) || !isObject(pattern)) {
    const bad: unknown = isObject(value) ? pattern : value;
    throw new TypeError(
      `Cannot assertObjectMatch ${bad === null ? null : `type ${typeof bad}`}`,
    );
  }
  return new Cutter().cutObject(value, pattern);
}

/**
 * Asserts that an object has everything that another one has, deeply; it may have more.
 *
 * @param actual The object that was got.
 * @param expected What it should have at least.
 * @param msg Words for the error's first sentence.
 * @throws {AssertionError} If something is missing or different.
 *
 * @example Usage
 * ```ts
 * import { assertObjectMatch } from "@std/assert";
 *
 * assertObjectMatch({ a: 1, b: { c: 2, d: 3 } }, { b: { c: 2 } });
 * ```
 */
export function assertObjectMatch(
  // deno-lint-ignore no-explicit-any
  actual: Record<PropertyKey, any>,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
): void {
  // Both sides are copied, so that a class makes no difference.
  assertEquals(cut(actual, expected), cut(expected, expected), msg);
}
