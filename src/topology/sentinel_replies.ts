import type { TcpAddress } from "../core/address.ts";

const decoder = new TextDecoder();

/** A bulk string of a reply as text; other things as the empty text. */
function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  return value instanceof Uint8Array ? decoder.decode(value) : "";
}

function addressOf(host: string, port: string): TcpAddress | undefined {
  const number = /^[0-9]{1,5}$/.test(port) ? Number(port) : 0;
  const isAddress = host !== "" && !/\s/.test(host) && number > 0 && number <= 65_535;
  return isAddress ? { host, port: number } : undefined;
}

/**
 * Reads the reply to `SENTINEL GET-MASTER-ADDR-BY-NAME`.
 *
 * @param reply The reply.
 * @returns The address; `undefined` if the sentinel does not know the name.
 */
export function readPrimary(reply: unknown): TcpAddress | undefined {
  if (!Array.isArray(reply)) return undefined;
  return addressOf(textOf(reply[0]), textOf(reply[1]));
}

/**
 * Reads the reply to `SENTINEL SENTINELS`.
 *
 * @param reply The reply: a list of fields, each a flat list of names and values.
 * @returns The addresses of those that it tells of; none if it is no such reply.
 */
export function readSentinels(reply: unknown): TcpAddress[] {
  if (!Array.isArray(reply)) return [];
  return reply.flatMap((item) => {
    if (!Array.isArray(item)) return [];
    const fields = fieldsOf(item);
    return addressOf(fields.get("ip") ?? "", fields.get("port") ?? "") ?? [];
  });
}

/**
 * Reads the number of the failover that a sentinel knows of out of the reply to
 * `SENTINEL MASTER`.
 *
 * @param reply The reply: a flat list of names and values.
 * @returns Its `config-epoch`, 0 or more; `undefined` if it is no such reply.
 */
export function readEpoch(reply: unknown): number | undefined {
  if (!Array.isArray(reply)) return undefined;
  const text = fieldsOf(reply).get("config-epoch") ?? "";
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Names and values that stand in one list. */
function fieldsOf(list: readonly unknown[]): Map<string, string> {
  const fields = new Map<string, string>();
  for (let i = 0; i + 1 < list.length; i += 2) {
    fields.set(textOf(list[i]), textOf(list[i + 1]));
  }
  return fields;
}

/**
 * Reads a message on the channel `+switch-master`: name, old host and port, new host and
 * port.
 *
 * @param message The message.
 * @param name Name of the primary that matters.
 * @returns Where the primary is now; `undefined` if the message is about another one.
 */
export function readSwitch(message: string, name: string): TcpAddress | undefined {
  const [what, _oldHost, _oldPort, host = "", port = ""] = message.split(" ");
  return what === name ? addressOf(host, port) : undefined;
}

/**
 * Reads a message about a replica in a failover, such as one on the channel
 * `+promoted-slave`: `slave NAME HOST PORT @ PRIMARY HOST PORT`.
 *
 * @param message The message.
 * @param name Name of the primary that matters.
 * @returns Where the replica is; `undefined` if the message is about another primary.
 */
export function readReplica(
  message: string,
  name: string,
): TcpAddress | undefined {
  const [kind, , host = "", port = "", at, what] = message.split(" ");
  const isMeant = kind === "slave" && at === "@" && what === name;
  return isMeant ? addressOf(host, port) : undefined;
}

/**
 * Reads the reply to `ROLE`.
 *
 * @param reply The reply.
 * @returns `master`, `slave`, `sentinel`, or the empty text.
 */
export function readRole(reply: unknown): string {
  return Array.isArray(reply) ? textOf(reply[0]) : "";
}
