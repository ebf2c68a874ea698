import { formatAddress } from "../core/address.ts";
import { ConnectError } from "../core/errors/mod.ts";
import { parseShards, parseSlots } from "../topology/cluster_reply.ts";
import { decodeReply } from "../topology/decode_reply.ts";
import { firstOf } from "../topology/first_of.ts";
import { hostOf, type SlotRange } from "../topology/slot_map.ts";
import type { ClusterNodes } from "./cluster_nodes.ts";
import type { ServerConnections, ServerContext } from "./server_connections.ts";

/** How long one node has to tell who serves what before the next is asked as well. */
const ASK_GAP_MS = 250;
/** How a node is asked who serves what: the second way is for Redis before 7.0. */
const QUESTIONS = [["shards", parseShards], ["slots", parseSlots]] as const;

const UNTOLD = "it does not tell which slots are served";
/** What a server answers that is none of a cluster. */
const NO_CLUSTER = "cluster support disabled";

/** What a node tells of its cluster. */
export interface ClusterView {
  /** Who serves what. */
  readonly ranges: readonly SlotRange[];
  /** Why the cluster serves nothing, in words; `undefined` if it serves. */
  readonly down: string | undefined;
}

/**
 * Asks the nodes that there are, then the seeds, until one has told who serves what: those
 * that are connected first.
 *
 * @param nodes The nodes.
 * @param context What they have in common.
 * @param signal Ends it.
 * @returns Who serves what, and whether it is up.
 * @throws {ConnectError} If none could tell.
 */
export async function surveyCluster(
  nodes: ClusterNodes,
  context: ServerContext,
  signal: AbortSignal,
): Promise<ClusterView> {
  const { clock, config } = context;
  const isOpen = ({ lanes }: ServerConnections) => lanes.size > 0;
  const known = nodes.current;
  const seeds = config.nodes.filter((seed) =>
    nodes.named(formatAddress(seed)) === undefined
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
): Promise<ClusterView> {
  const options = { askedHost: hostOf(node.endpoint), tls: config.tls.enabled };
  let reason = "the cluster serves no slot: assign them with redis-cli --cluster";
  for (const [name, parse] of QUESTIONS) {
    const answer = await node.probe.query(signal, "cluster", name);
    if (answer === undefined) reason = `${UNTOLD}: no answer`;
    else if ("error" in answer) reason = reasonOf(answer.error.message);
    else {
      const ranges = parse(decodeReply(answer.reply), options) ?? [];
      if (ranges.length > 0) return { ranges, down: await whyDown(node, signal) };
    }
  }
  throw new ConnectError(config.name, node.endpoint, reason, { attempts: 1 });
}

function reasonOf(said: string): string {
  return said.includes(NO_CLUSTER)
    ? `the server is no node of a cluster (${said}): use mode standalone`
    : `${UNTOLD}: ${said}`;
}

/** Why a node takes its cluster to be down; `undefined` if it does not, or does not tell. */
async function whyDown(
  node: ServerConnections,
  signal: AbortSignal,
): Promise<string | undefined> {
  const answer = await node.probe.query(signal, "cluster", "info");
  if (answer === undefined || "error" in answer) return undefined;
  const info = String(decodeReply(answer.reply));
  if (!info.includes("cluster_state:fail")) return undefined;
  const count = (name: string) => Number(new RegExp(`${name}:(\\d+)`).exec(info)?.[1]);
  const [assigned, ok] = [count("cluster_slots_assigned"), count("cluster_slots_ok")];
  return `the cluster is down (cluster_state:fail, as ${node.endpoint} sees it): ` +
    `${assigned} of 16384 slots are assigned, ${ok} of them served`;
}
