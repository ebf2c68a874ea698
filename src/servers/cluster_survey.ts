import type { ClusterNodes } from "./cluster_nodes.ts";
import { ConnectError } from "../core/errors/mod.ts";
import type { ServerConnections, ServerContext } from "./server_connections.ts";
import { parseShards, parseSlots } from "../topology/cluster_reply.ts";
import { decodeReply } from "../topology/decode_reply.ts";
import { firstOf } from "../topology/first_of.ts";
import { addressText, hostOf, type SlotRange } from "../topology/slot_map.ts";

/** How long one node has to tell who serves what before the next is asked as well. */
const ASK_GAP_MS = 250;
/** How a node is asked who serves what: the second way is for Redis before 7.0. */
const QUESTIONS = [["shards", parseShards], ["slots", parseSlots]] as const;

/**
 * Asks the nodes that there are, then the seeds, until one has told who serves what: those
 * that are connected first.
 *
 * @param nodes The nodes.
 * @param context What they have in common.
 * @param signal Ends it.
 * @returns Who serves what.
 * @throws {ConnectError} If none could tell.
 */
export async function surveyCluster(
  nodes: ClusterNodes,
  context: ServerContext,
  signal: AbortSignal,
): Promise<readonly SlotRange[]> {
  const { clock, config } = context;
  const isOpen = ({ lanes }: ServerConnections) => lanes.size > 0;
  const known = nodes.current;
  const seeds = config.nodes.filter((seed) =>
    nodes.named(addressText(seed)) === undefined
  );
  const askers = [
    ...[...known.filter(isOpen), ...known.filter((node) => !isOpen(node))]
      .map((node) => (signal: AbortSignal) => askNode(context, node, signal)),
    ...seeds.map((seed) => (signal: AbortSignal) =>
      askNode(context, nodes.at(seed), signal)
    ),
  ];
  return await firstOf(askers, { gapMs: ASK_GAP_MS, signal, clock });
}

/** Asks a node who serves what. */
async function askNode(
  { config }: ServerContext,
  node: ServerConnections,
  signal: AbortSignal,
): Promise<readonly SlotRange[]> {
  const options = { askedHost: hostOf(node.endpoint), tls: config.tls.enabled };
  let said = "no slot is served";
  for (const [name, parse] of QUESTIONS) {
    const answer = await node.probe.query(signal, "cluster", name);
    if (answer === undefined) said = "no answer";
    else if ("error" in answer) said = answer.error.message;
    else {
      const ranges = parse(decodeReply(answer.reply), options) ?? [];
      if (ranges.length > 0) return ranges;
    }
  }
  const reason = `it does not tell which slots are served: ${said}`;
  throw new ConnectError(config.name, node.endpoint, reason, { attempts: 1 });
}
