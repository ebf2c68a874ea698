import type { TcpAddress } from "../core/address.ts";
import { SLOTS } from "./key_slot.ts";
import type { SlotRange } from "./slot_map.ts";

/** How a reply about a cluster is read. */
export interface ClusterReplyOptions {
  /** The host that was asked: a node that does not say its host is meant to be there. */
  readonly askedHost: string;
  /** Whether TLS is spoken, so that the port for it counts. */
  readonly tls: boolean;
}

/** What a node says in place of a host that it does not know. */
const UNKNOWN_HOST = "?";

/**
 * Reads the reply of `CLUSTER SHARDS` (Redis 7.0 and later).
 *
 * A shard of which the primary has failed and a replica has taken over may name both as
 * primaries for a while: the one that is in good health counts.
 *
 * @param reply The reply, its text decoded: pairs in arrays, as RESP2 gives them, or maps.
 * @param options How it is read.
 * @returns Who serves what; `undefined` if it is no such reply.
 *
 * @example Usage
 * ```ts
 * import { parseShards } from "./cluster_reply.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const node = ["port", 7000, "endpoint", "", "role", "master", "health", "online"];
 * const options = { askedHost: "10.0.0.7", tls: false };
 * assertEquals(parseShards([["slots", [0, 9], "nodes", [node]]], options), [
 *   { first: 0, last: 9, node: { host: "10.0.0.7", port: 7000 } },
 * ]);
 * ```
 */
export function parseShards(
  reply: unknown,
  options: ClusterReplyOptions,
): SlotRange[] | undefined {
  return readRanges(reply, (item) => {
    const shard = fieldsOf(item);
    const slots = shard?.get("slots");
    const nodes = shard?.get("nodes");
    if (!Array.isArray(slots) || !Array.isArray(nodes)) return undefined;
    const node = primaryOf(nodes, options);
    if (node === undefined) return [];
    return Array.from(
      { length: Math.floor(slots.length / 2) },
      (_, i) => rangeOf(slots[2 * i], slots[2 * i + 1], node),
    );
  });
}

/**
 * Reads the reply of `CLUSTER SLOTS`; its ports are those of the protocol that is spoken.
 *
 * @param reply The reply, its text decoded.
 * @param options How it is read.
 * @returns Who serves what; `undefined` if it is no such reply.
 *
 * @example Usage
 * ```ts
 * import { parseSlots } from "./cluster_reply.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const options = { askedHost: "10.0.0.7", tls: false };
 * assertEquals(parseSlots([[0, 9, ["10.0.0.8", 7000, "id"]]], options), [
 *   { first: 0, last: 9, node: { host: "10.0.0.8", port: 7000 } },
 * ]);
 * ```
 */
export function parseSlots(
  reply: unknown,
  options: ClusterReplyOptions,
): SlotRange[] | undefined {
  return readRanges(reply, (item) => {
    const [first, last, owner] = Array.isArray(item) ? item : [];
    if (!Array.isArray(owner)) return undefined;
    const node = addressOf(owner[0], owner[1], options);
    return [node === undefined ? undefined : rangeOf(first, last, node)];
  });
}

/** Reads a list whose items tell of slots; one that is not understood spoils it all. */
function readRanges(
  reply: unknown,
  rangesOf: (item: unknown) => (SlotRange | undefined)[] | undefined,
): SlotRange[] | undefined {
  if (!Array.isArray(reply)) return undefined;
  const ranges = reply.flatMap((item) => rangesOf(item) ?? [undefined]);
  return ranges.every((range) => range !== undefined) ? ranges : undefined;
}

/** The primary of a shard; one in good health before one that is not. */
function primaryOf(
  nodes: readonly unknown[],
  options: ClusterReplyOptions,
): TcpAddress | undefined {
  const primaries = nodes.map(fieldsOf)
    .filter((node) => node?.get("role") === "master");
  const node = primaries.find((each) => each!.get("health") === "online") ?? primaries[0];
  if (node === undefined) return undefined;
  const port = options.tls ? node.get("tls-port") ?? node.get("port") : node.get("port");
  return addressOf(node.get("endpoint"), port, options);
}

function addressOf(
  host: unknown,
  port: unknown,
  { askedHost }: ClusterReplyOptions,
): TcpAddress | undefined {
  const number = Number(port);
  if (!Number.isInteger(number) || number < 1 || number > 65_535) return undefined;
  const isUnknown = host === null || host === undefined || host === "" ||
    host === UNKNOWN_HOST;
  return { host: isUnknown ? askedHost : String(host), port: number };
}

function rangeOf(
  first: unknown,
  last: unknown,
  node: TcpAddress,
): SlotRange | undefined {
  const [from, to] = [Number(first), Number(last)];
  if (!Number.isInteger(from) || !Number.isInteger(to)) return undefined;
  return from < 0 || to < from || to >= SLOTS
    ? undefined
    : { first: from, last: to, node };
}

/** Names and values, in whatever form the protocol version gave them. */
function fieldsOf(value: unknown): Map<string, unknown> | undefined {
  if (value instanceof Map) return value;
  if (Array.isArray(value)) {
    const fields = new Map<string, unknown>();
    for (let i = 0; i + 1 < value.length; i += 2) {
      fields.set(String(value[i]), value[i + 1]);
    }
    return fields;
  }
  return typeof value === "object" && value !== null
    ? new Map(Object.entries(value))
    : undefined;
}
