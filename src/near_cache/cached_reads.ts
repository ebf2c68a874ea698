/**
 * Which commands are kept in a near cache, and under what: see the table of `README.md`.
 *
 * @module
 */
import type { ManagedCommand } from "../connection/managed_command.ts";

/** Commands that read the one key that is their first argument, and depend on nothing else:
 * not on time, chance, a cursor, another key or what others have read. */
const READS = [
  ...["get", "getrange", "substr", "strlen", "getbit", "bitcount", "bitpos"],
  ...["bitfield_ro", "type"],
  ...["hget", "hmget", "hgetall", "hkeys", "hvals", "hlen", "hexists", "hstrlen"],
  ...["llen", "lindex", "lrange", "lpos"],
  ...["scard", "sismember", "smismember", "smembers"],
  ...["zcard", "zcount", "zlexcount", "zscore", "zmscore", "zrank", "zrevrank"],
  ...["zrange", "zrangebyscore", "zrangebylex"],
  ...["zrevrange", "zrevrangebyscore", "zrevrangebylex"],
  ...["geodist", "geohash", "geopos", "geosearch", "georadius_ro"],
  "georadiusbymember_ro",
  ...["xlen", "xrange", "xrevrange"],
];

/** How one command is kept. */
export interface CachedRead {
  /** Its name, in lower case. */
  readonly name: string;
  /** The form of a call with nothing but the key: of text, and of bytes. */
  readonly bare: string;
  readonly bareBytes: string;
}

const TABLE: ReadonlyMap<string, CachedRead> = new Map(
  [...READS, "mget"].flatMap((name) => {
    const read = { name, bare: name, bareBytes: `${name} bytes` };
    return [[name, read], [name.toUpperCase(), read]] as const;
  }),
);

/** How a command is kept; `undefined` if it is not. */
export function cachedRead(name: string): CachedRead | undefined {
  return TABLE.get(name);
}

/** A command with the members that ioredis types as private. */
interface OpenCommand {
  readonly bufferMode?: boolean;
  readonly replyEncoding: "utf8" | null;
}

/** Whether a call can be kept: all its arguments are text. Bytes in place of text may have
 * no text that means the same. */
export function isText(command: ManagedCommand): boolean {
  return (command as unknown as OpenCommand).bufferMode !== true &&
    command.args.length > 0;
}

/** Whether a call gives bytes. */
export function givesBytes(command: ManagedCommand): boolean {
  return (command as unknown as OpenCommand).replyEncoding !== "utf8";
}

/**
 * What tells a call apart from the other calls that read the same key: the command, its other
 * arguments, and whether it gives bytes. Hot path.
 */
export function formOf(read: CachedRead, command: ManagedCommand): string {
  const { args } = command;
  const bare = givesBytes(command) ? read.bareBytes : read.bare;
  if (args.length === 1) return bare;
  let form = bare;
  // With their lengths: an argument may contain whatever separates them.
  for (let i = 1; i < args.length; i++) {
    const arg = args[i] as string;
    form += ` ${arg.length}:${arg}`;
  }
  return form;
}
