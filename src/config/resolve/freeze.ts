/**
 * Freezes an object and all that it holds.
 *
 * @typeParam T Type of the object.
 * @param value The object; it must have no cycles.
 * @returns The same object.
 */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const key of Object.getOwnPropertyNames(value)) {
    deepFreeze((value as Record<string, unknown>)[key]);
  }
  return Object.freeze(value);
}
