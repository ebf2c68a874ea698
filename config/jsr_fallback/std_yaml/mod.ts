/**
 * Stand-in for `@std/yaml`, linked only where JSR cannot be reached.
 *
 * Reading is done by js-yaml, the library that std's package was ported from; types,
 * errors and writing are made here, as std differs from js-yaml in each of them.
 *
 * @module
 */

export * from "./parse.ts";
export * from "./stringify.ts";
export * from "./types.ts";
