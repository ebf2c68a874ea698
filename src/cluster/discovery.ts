import { abortable } from "@std/async/abortable";
import { addressMapper, type MapAddress } from "../config/address_map.ts";
import type { NodeAddress } from "../config/settings.ts";
import { formatAddress, hostOf } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import { ConnectError } from "../core/errors/mod.ts";
import { ConnectionState } from "../core/events.ts";
import type { DatabaseHealth } from "../observability/types.ts";
import { Server } from "../server/server.ts";
import { ServerGroup } from "../server/server_group.ts";
import type { ServerContext } from "../server/topology.ts";
import { type SlotRange, SLOTS } from "./slots.ts";

/** How long one node has to answer before the next is asked as well, in milliseconds. */
const HEDGE_MS = 250;
/** How a node is asked for the slots: the second way is for Redis before 7.0. */
const QUERIES = [["shards", parseShards], ["slots", parseSlots]] as const;

const NOT_REPORTED = "it does not tell which slots are served";
/** What a server replies that is no node of a cluster. */
const NO_CLUSTER = "cluster support disabled";

/** What a node reports about its cluster. */
interface ClusterView {
  readonly ranges: readonly SlotRange[];
  /** Why the cluster serves nothing; `undefined` if it serves. */
  readonly down: string | undefined;
}

/**
 * Asks the known nodes, those that are connected first, then the seeds, until one has
 * reported which node serves which slot.
 *
 * @throws {ConnectError} If none has reported it.
 */
export async function discoverCluster(
  nodes: ClusterNodes,
  { clock, config }: ServerContext,
  signal: AbortSignal,
): Promise<ClusterView> {
  const isOpen = ({ lanes }: Server) => lanes.size > 0;
  const known = nodes.current;
  const seeds = config.nodes.filter((seed) => !nodes.named(formatAddress(seed)));
  const queries = [
    ...[...known.filter(isOpen), ...known.filter((node) => !isOpen(node))]
      .map((node) => (signal: AbortSignal) => queryNode(config, node, signal)),
    ...seeds.map((seed) => (signal: AbortSignal) =>
      queryNode(config, nodes.at(seed), signal)
    ),
  ];
  return await hedge(queries, { afterMs: HEDGE_MS, signal, clock });
}

async function queryNode(
  { name, nodeAddressMap, tls }: ServerContext["config"],
  node: Server,
  signal: AbortSignal,
): Promise<ClusterView> {
  const options = {
    askedHost: hostOf(node.endpoint),
    tls: tls.enabled,
    map: addressMapper(nodeAddressMap),
  };
  let reason = "the cluster serves no slot: assign them with redis-cli --cluster";
  for (const [subcommand, parse] of QUERIES) {
    const answer = await node.probe.query(signal, "cluster", subcommand);
    if (answer === undefined) reason = `${NOT_REPORTED}: no answer`;
    else if ("error" in answer) {
      const { message } = answer.error;
      reason = message.includes(NO_CLUSTER)
        ? `the server is no node of a cluster (${message}): use mode standalone`
        : `${NOT_REPORTED}: ${message}`;
    } else {
      const ranges = parse(answer.reply, options) ?? [];
      if (ranges.length > 0) return { ranges, down: await whyDown(node, signal) };
    }
  }
  throw new ConnectError(name, node.endpoint, reason, { attempts: 1 });
}

/** Why a node takes its cluster to be down; `undefined` if it does not, or does not report it. */
async function whyDown(node: Server, signal: AbortSignal): Promise<string | undefined> {
  const answer = await node.probe.query(signal, "cluster", "info");
  if (answer === undefined || "error" in answer) return undefined;
  const info = String(decodeReply(answer.reply));
  if (!info.includes("cluster_state:fail")) return undefined;
  const count = (name: string) => Number(new RegExp(`${name}:(\\d+)`).exec(info)?.[1]);
  const [assigned, ok] = [count("cluster_slots_assigned"), count("cluster_slots_ok")];
  return `the cluster is down (cluster_state:fail, as ${node.endpoint} sees it): ` +
    `${assigned} of ${SLOTS} slots are assigned, ${ok} of them served`;
}

/**
 * Runs queries in order, the next one when the last has failed or takes long, until one has
 * an answer; aborts the others then.
 *
 * @param options.afterMs How long a query has before the next is started as well.
 * @throws {Error} The last one's error, if all have failed; the signal's reason.
 */
export async function hedge<T>(
  queries: readonly ((signal: AbortSignal) => Promise<T>)[],
  { afterMs, clock, signal }: { afterMs: number; clock: Clock; signal: AbortSignal },
): Promise<T> {
  const stop = new AbortController();
  const within = AbortSignal.any([signal, stop.signal]);
  const run = async ([query, ...others]: typeof queries): Promise<T> => {
    const answer = query!(within);
    if (others.length === 0) return await answer;
    const { promise: startNext, resolve } = Promise.withResolvers<void>();
    const timer = clock.setTimer(resolve, afterMs);
    answer.catch(() => resolve());
    try {
      return await Promise.any([answer, startNext.then(() => run(others))]);
    } catch (error) {
      throw (error as AggregateError).errors.at(-1);
    } finally {
      timer.cancel();
    }
  };
  try {
    return await abortable(run(queries), signal);
  } finally {
    stop.abort(new DOMException("another has answered", "AbortError"));
  }
}

const decoder = new TextDecoder();

/** Decodes the bytes in a raw reply, at every depth. */
function decodeReply(reply: unknown): unknown {
  if (reply instanceof Uint8Array) return decoder.decode(reply);
  if (Array.isArray(reply)) return reply.map(decodeReply);
  if (reply instanceof Map) {
    return new Map([...reply].map((pair) => pair.map(decodeReply) as [unknown, unknown]));
  }
  if (typeof reply !== "object" || reply?.constructor !== Object) return reply;
  return new Map(Object.entries(reply).map(([key, value]) => [key, decodeReply(value)]));
}

interface ClusterReplyOptions {
  /** The host that was asked: meant if a node does not report its host. */
  readonly askedHost: string;
  /** Whether TLS is spoken, so that the port for it counts. */
  readonly tls: boolean;
  /** Where the named nodes are. */
  readonly map?: MapAddress;
}

/**
 * Reads the reply of `CLUSTER SHARDS` (Redis 7.0 and later): pairs in arrays, as
 * RESP2 has them, or maps; `undefined` if it is no such reply.
 *
 * A shard whose primary has failed, and a replica has taken over, may name both as primaries
 * for a while: the one with health `online` counts.
 */
export function parseShards(
  reply: unknown,
  options: ClusterReplyOptions,
): SlotRange[] | undefined {
  return readRanges(reply, (item) => {
    const shard = fieldsOf(item);
    const [slots, nodes] = [shard?.get("slots"), shard?.get("nodes")];
    if (!Array.isArray(slots) || !Array.isArray(nodes)) return undefined;
    const primaries = nodes.map(fieldsOf).filter((node) =>
      node?.get("role") === "master"
    );
    const primary = primaries.find((each) => each?.get("health") === "online") ??
      primaries[0];
    if (primary === undefined) return [];
    const addressIn = (fields: Map<string, unknown> | undefined) => {
      const port = (options.tls ? fields?.get("tls-port") : undefined) ??
        fields?.get("port");
      return addressOf(fields?.get("endpoint"), port, options);
    };
    const node = addressIn(primary);
    if (node === undefined) return [];
    const replicas = nodes.map(fieldsOf)
      .filter((each) => each?.get("role") === "replica")
      .flatMap((each) => addressIn(each) ?? []);
    return Array.from(
      { length: Math.floor(slots.length / 2) },
      (_, i) => rangeOf(slots[2 * i], slots[2 * i + 1], node, replicas),
    );
  });
}

/** Reads the reply of `CLUSTER SLOTS`; its ports are those of the protocol that is
 * spoken. */
export function parseSlots(
  reply: unknown,
  options: ClusterReplyOptions,
): SlotRange[] | undefined {
  return readRanges(reply, (item) => {
    const [first, last, owner, ...others] = Array.isArray(item) ? item : [];
    if (!Array.isArray(owner)) return undefined;
    const node = addressOf(owner[0], owner[1], options);
    const replicas = others.flatMap((each) =>
      Array.isArray(each) ? addressOf(each[0], each[1], options) ?? [] : []
    );
    return [node && rangeOf(first, last, node, replicas)];
  });
}

/** Reads a list of slot ranges; one item that is not understood invalidates it all. */
function readRanges(
  reply: unknown,
  rangesOf: (item: unknown) => (SlotRange | undefined)[] | undefined,
): SlotRange[] | undefined {
  const items = decodeReply(reply);
  if (!Array.isArray(items)) return undefined;
  const ranges = items.flatMap((item) => rangesOf(item) ?? [undefined]);
  return ranges.every((range) => range !== undefined) ? ranges : undefined;
}

function addressOf(
  host: unknown,
  port: unknown,
  { askedHost, map = (announced) => announced }: ClusterReplyOptions,
): NodeAddress | undefined {
  const number = Number(port);
  if (!Number.isInteger(number) || number < 1 || number > 65_535) return undefined;
  const isUnknown = host === "?" || !host;
  return map({ host: isUnknown ? askedHost : String(host), port: number });
}

function rangeOf(
  first: unknown,
  last: unknown,
  node: NodeAddress,
  replicas: readonly NodeAddress[],
): SlotRange | undefined {
  const [from, to] = [Number(first), Number(last)];
  if (!Number.isInteger(from) || !Number.isInteger(to)) return undefined;
  return from < 0 || to < from || to >= SLOTS
    ? undefined
    : { first: from, last: to, node, replicas };
}

/** Reads names and values: a map, or a flat list. */
function fieldsOf(value: unknown): Map<string, unknown> | undefined {
  if (value instanceof Map) return value;
  if (!Array.isArray(value)) return undefined;
  const fields = new Map<string, unknown>();
  for (let i = 0; i + 1 < value.length; i += 2) {
    fields.set(String(value[i]), value[i + 1]);
  }
  return fields;
}

/** The nodes of a cluster that are connected to. */
export class ClusterNodes extends ServerGroup<Server> {
  /** @param troubled Called when a connection was lost, or could not be opened. */
  constructor(context: ServerContext, troubled: () => void) {
    const { clock, config: { commandTimeoutMs: drainMs } } = context;
    const make = (address: NodeAddress) => new Server(context, { address, troubled });
    super({ make, drainMs, clock });
  }
}

/** The worst comes first. */
const BREAKER_STATES = ["open", "half_open", "closed"] as const;

/**
 * Judges how well a cluster serves by the health of the nodes that serve slots: it has
 * failed if all have, and is degraded if some are not healthy.
 *
 * @param failure Why the cluster as a whole does not serve, whatever its nodes do.
 */
export function judgeCluster(
  nodes: readonly DatabaseHealth[],
  failure: string | undefined,
): Pick<DatabaseHealth, "circuitBreaker" | "pingMs" | "reason" | "state"> {
  const { DEGRADED, FAILED, HEALTHY } = ConnectionState;
  const pings = nodes.map(({ pingMs }) => pingMs).filter((ms) => ms !== null);
  const common = {
    circuitBreaker:
      BREAKER_STATES.find((state) =>
        nodes.some(({ circuitBreaker }) => circuitBreaker === state)
      ) ?? "closed",
    pingMs: pings.length === 0 ? null : Math.max(...pings),
  };
  if (failure !== undefined) return { ...common, state: FAILED, reason: failure };
  const unwell = nodes.filter(({ state }) => state !== HEALTHY);
  if (unwell.length === 0) {
    const node = nodes.find(({ reason }) => reason === "connected") ?? nodes[0];
    return { ...common, state: HEALTHY, reason: node?.reason ?? "not connected yet" };
  }
  const reasons = unwell.map(({ endpoint, reason }) => `${endpoint}: ${reason}`);
  return {
    ...common,
    state: nodes.every(({ state }) => state === FAILED) ? FAILED : DEGRADED,
    reason: `${unwell.length} of ${nodes.length} nodes not well: ${reasons.join("; ")}`,
  };
}
