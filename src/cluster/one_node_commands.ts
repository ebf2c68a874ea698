/** Where a command without a key is refused because it would see a part of a cluster only. */
const BY_NODE = "it would reach one node of the cluster only: use " +
  'manager.acquire(database, { node: "host:port" }) for each node';
/** The same of scripts, which a node has to have that runs them. */
const BY_KEY =
  "it would reach one node of the cluster only: send scripts with EVAL, which goes where " +
  'its key is, or use manager.acquire(database, { node: "host:port" }) for each node';

/** What to do in place of commands that mean all keys, but would reach those of one node. */
const ADVICE: ReadonlyMap<string, string> = new Map([
  ...["scan", "keys", "dbsize", "randomkey", "flushall", "flushdb"]
    .map((name) => [name, BY_NODE] as const),
  ...["script", "function"].map((name) => [name, BY_KEY] as const),
]);

/**
 * What to do in place of a command without a key that would reach one node only where its
 * caller means the whole cluster.
 *
 * @param name Its name, in any case.
 * @returns The advice; `undefined` if any node will do.
 *
 * @example Usage
 * ```ts
 * import { oneNodeAdvice } from "./one_node_commands.ts";
 * import { assertEquals, assertStringIncludes } from "@std/assert";
 *
 * assertEquals(oneNodeAdvice("publish"), undefined);
 * assertStringIncludes(oneNodeAdvice("DBSIZE")!, "one node of the cluster");
 * ```
 */
export function oneNodeAdvice(name: string): string | undefined {
  return ADVICE.get(name) ?? ADVICE.get(name.toLowerCase());
}
