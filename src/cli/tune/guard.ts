import type { ServerFacts } from "./server_view.ts";

const count = (n: number, one: string, many: string) =>
  `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

/**
 * Why a server looks like one that somebody needs.
 *
 * @param facts What it says of itself.
 * @returns What was seen, in words; empty if it looks like nobody's.
 */
export function productionSigns(facts: ServerFacts): string[] {
  const signs: string[] = [];
  if (facts.keys > 0) signs.push(count(facts.keys, "key", "keys"));
  if (facts.otherClients > 0) {
    signs.push(count(facts.otherClients, "other client", "other clients"));
  }
  if (facts.replicas > 0) signs.push(count(facts.replicas, "replica", "replicas"));
  if (facts.role === "slave") signs.push("it is a replica itself");
  if (facts.isCluster) signs.push("it is a node of a cluster");
  return signs;
}
