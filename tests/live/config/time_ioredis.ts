/**
 * Imports ioredis in a fresh process and prints how long that took, in milliseconds.
 *
 * @module
 */

const start = performance.now();
await import("ioredis");
console.log(JSON.stringify({ importMs: performance.now() - start }));
