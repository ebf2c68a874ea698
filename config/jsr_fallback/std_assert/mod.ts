/**
 * Stand-in for `@std/assert`, linked only where JSR cannot be reached.
 *
 * @module
 */

export * from "./array_includes.ts";
export * from "./assertion_error.ts";
export * from "./equal.ts";
export * from "./equals.ts";
export * from "./instance_of.ts";
export * from "./object_match.ts";
export * from "./order.ts";
export * from "./text.ts";
export * from "./throws.ts";
export * from "./truth.ts";
