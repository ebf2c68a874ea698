/**
 * Stand-in for the part of `@std/async` that this project uses, linked only where JSR
 * cannot be reached.
 *
 * @module
 */

export * from "./abortable.ts";
export * from "./deadline.ts";
export * from "./delay.ts";
export * from "./poll.ts";
export * from "./retry.ts";
