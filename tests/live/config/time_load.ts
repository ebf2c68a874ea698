/**
 * Loads the file that its first argument names, once, in a fresh process, and prints how
 * long the import and the load took, as JSON, in milliseconds.
 *
 * @module
 */

const start = performance.now();
const { RedisConfigLoader } = await import("../../../src/config/mod.ts");
const imported = performance.now();
const config = await RedisConfigLoader.load({ yamlPath: Deno.args[0]!, env: {} });
const loaded = performance.now();
console.log(JSON.stringify({
  importMs: imported - start,
  loadMs: loaded - imported,
  databases: Object.keys(config.databases).length,
}));
