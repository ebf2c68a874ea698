import type { Entry, Reading } from "./read_settings.ts";
import type { NodeAddress } from "./types.ts";
import { allowedText, type Dialect, NODES } from "./schema/kinds.ts";
import { fromCode } from "./schema/from_code.ts";
import { fromText } from "./schema/from_text.ts";
import { foundText, quote } from "./schema/found.ts";
import { settingOf } from "./schema/names.ts";

/** Most servers that one database may list. */
const MAX_NODES = 1000;

/**
 * Reads a list of servers: `{host, port}` or `"host:port"` each.
 *
 * @param reading How the source gives its values.
 * @param entry The list.
 * @param label Path of the setting, for problems.
 * @returns The servers; `undefined` when a problem has been noted.
 */
export function readNodes(
  reading: Reading,
  entry: Entry,
  label: string,
): readonly NodeAddress[] | undefined {
  const refuse = (path: readonly string[], message: string): undefined => {
    reading.layer.refuse(reading.origin(path, "value"), label, message);
  };
  const list = entry.value;
  if (!Array.isArray(list) || list.length > MAX_NODES) {
    const most = Array.isArray(list) ? ` of at most ${MAX_NODES}` : "";
    return refuse(
      entry.path,
      `found ${foundText(list)}, allowed: ${allowedText(NODES, reading.dialect)}${most}`,
    );
  }
  const nodes: NodeAddress[] = [];
  for (const [index, item] of list.entries()) {
    const path = [...entry.path, String(index)];
    const node = readNode(reading, item, path, `${label}.${index}`);
    if (typeof node === "string") return refuse(path, node);
    if (node === undefined) return undefined;
    nodes.push(Object.freeze(node));
  }
  return Object.freeze(nodes);
}

/** A server; a message when it is none; `undefined` when a problem has been noted. */
function readNode(
  reading: Reading,
  item: unknown,
  path: readonly string[],
  label: string,
): NodeAddress | string | undefined {
  const entry: Entry = { key: path.at(-1)!, value: item, path };
  const value = reading.expand(item, entry, label);
  if (value === undefined) return undefined;
  if (typeof value === "string") {
    return parseHostPort(value) ?? `found ${foundText(value)}, allowed: "host:port"`;
  }
  const members = reading.entries(value, path);
  if (members === undefined) {
    return `found ${foundText(value)}, allowed: {host, port} or "host:port"`;
  }
  const parts = new Map<string, unknown>();
  for (const member of members) {
    if (member.key !== "host" && member.key !== "port") {
      return `unknown setting ${quote(member.key)}, allowed: host and port`;
    }
    const raw = reading.expand(member.value, member, `${label}.${member.key}`);
    if (raw === undefined) return undefined;
    parts.set(member.key, raw);
  }
  return nodeOf(reading.dialect, parts.get("host"), parts.get("port"));
}

function nodeOf(dialect: Dialect, host: unknown, port: unknown): NodeAddress | string {
  const read = (key: string, raw: unknown): unknown =>
    dialect === "code"
      ? fromCode(settingOf(key).kind, raw)
      : typeof raw === "string"
      ? fromText(settingOf(key).kind, raw)
      : undefined;
  const hostRead = read("host", host);
  const portRead = read("port", port);
  if (typeof hostRead !== "string") {
    return `host is ${host === undefined ? "missing" : foundText(host)}, allowed: ` +
      allowedText(settingOf("host").kind, dialect);
  }
  if (typeof portRead !== "number") {
    return `port is ${port === undefined ? "missing" : foundText(port)}, allowed: ` +
      allowedText(settingOf("port").kind, dialect);
  }
  return { host: hostRead, port: portRead };
}

function parseHostPort(text: string): NodeAddress | undefined {
  const colon = text.lastIndexOf(":");
  if (colon < 0) return undefined;
  const node = nodeOf("yaml", text.slice(0, colon), text.slice(colon + 1));
  return typeof node === "string" ? undefined : node;
}
