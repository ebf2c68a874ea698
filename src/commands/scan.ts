import { delay } from "@std/async/delay";
import { Readable } from "node:stream";
import { type IORedisCommand, isReplyError, type Redis } from "../connection/ioredis.ts";
import { ManagedCommand } from "../connection/managed_command.ts";
import type { CommandConnection, PendingCommand } from "../connection/pending_command.ts";
import { RedisManagerError } from "../core/errors/mod.ts";

/** A scan began anew: the server's cursor meant nothing any more. */
export interface ScanRestart {
  /** The server that is scanned from its beginning, such as `10.0.0.7:7000`. */
  readonly endpoint: string;
  /** Why. */
  readonly reason: string;
}

/** What of a hash, set or sorted set is iterated over. */
export interface ElementScanOptions {
  /** Pattern of the elements, such as `user:*`. Default: all. */
  match?: string;
  /** About how many elements the server looks at for one request, 1 or more. Default: the
   * server's, 10. */
  count?: number;
  /** Called when the scan begins anew, in whole or for one node of a cluster, after a
   * failover or a restart of the server: elements may be given again. The manager reports
   * it as `scanrestart`, too. */
  onRestart?: (restart: ScanRestart) => void;
}

/** What of a database is iterated over. */
export interface ScanOptions extends ElementScanOptions {
  /** Pattern of the keys, without the database's key prefix, such as `user:*`. Default: all
   * keys of the prefix. */
  match?: string;
  /** Only keys of this type, such as `hash`. Default: all. */
  type?: string;
}

/**
 * Iterators over what SCAN, HSCAN, SSCAN and ZSCAN give, in every mode.
 *
 * What is there from the beginning of the iteration to its end is given at least once, also
 * while slots of a cluster move, and across failovers; what comes or goes meanwhile may be
 * given or not. An element may be given more than once. Lost connections and failovers are
 * waited for, up to 30 s, once the first elements are there.
 */
export interface ScanMethods {
  /**
   * Iterates over the keys of the database: in a cluster over those of all its nodes; with a
   * key prefix over the keys that begin with it, given without it.
   *
   * @param options Which keys.
   * @throws {RangeError} If `count` is not an integer of 1 or more.
   *
   * @example Usage
   * ```ts
   * import { RedisConnectionManager } from "@mooring/redis";
   * import { assertEquals } from "@std/assert";
   *
   * await using manager = new RedisConnectionManager({
   *   url: Deno.env.get("REDIS_URL") ?? "redis://localhost:6379",
   *   databases: { main: { keyPrefix: "mooring:scan:" } },
   * });
   * const client = manager.getClient("main");
   * await client.set("user:1", "Ada", "EX", 60);
   * const keys = await Array.fromAsync(client.scanIterator({ match: "user:*" }));
   * assertEquals(keys, ["user:1"]);
   * ```
   */
  scanIterator(options?: ScanOptions): AsyncGenerator<string, void, undefined>;
  /** Iterates over the fields of a hash and their values. */
  hscanIterator(
    key: string | Uint8Array,
    options?: ElementScanOptions,
  ): AsyncGenerator<[field: string, value: string], void, undefined>;
  /** Iterates over the members of a set. */
  sscanIterator(
    key: string | Uint8Array,
    options?: ElementScanOptions,
  ): AsyncGenerator<string, void, undefined>;
  /** Iterates over the members of a sorted set and their scores. */
  zscanIterator(
    key: string | Uint8Array,
    options?: ElementScanOptions,
  ): AsyncGenerator<[member: string, score: number], void, undefined>;
}

/** A client that scans. */
interface ScanningClient {
  readonly options: { readonly keyPrefix?: string };
  sendCommand(command: IORedisCommand): unknown;
  /** Takes note of a scan that begins anew. */
  scanRestarted(restart: ScanRestart): void;
}

/** A command of a scan over several servers, which tells of restarts itself. */
export interface ScanCommand {
  onRestart?: (restart: ScanRestart) => void;
}

/** What a caller has set for a command. */
interface ScopedCommand {
  readonly call?: { readonly signal?: AbortSignal; readonly timeoutMs?: number };
}

type Text = string | Uint8Array;

/** What is scanned, and how. */
interface Scan {
  readonly command: "scan" | "hscan" | "sscan" | "zscan";
  readonly key?: Text;
  readonly options: ScanOptions & { readonly noValues?: boolean };
  readonly isBinary?: boolean;
}

/** How long a scan waits for a server that is away, in milliseconds: a cluster with its
 * default `cluster-node-timeout` takes 15 s to fail over, and a little more. */
const PATIENCE_MS = 30_000;
/** Pauses between two attempts meanwhile, in milliseconds. */
const PAUSE_MS = { first: 50, longest: 1000 };

/** Adds the iterators to the prototype of a client, and has ioredis' streams
 * (`scanStream()` …) give the same: a private method of ioredis makes all of them. */
export function defineScanMethods(prototype: ScanningClient): void {
  Object.assign(prototype, ITERATORS, { createScanStream });
}

const ITERATORS: ScanMethods & ThisType<ScanningClient> = {
  async *scanIterator(options = {}) {
    yield* flatten<string>(scan(this, { command: "scan", options }));
  },
  async *hscanIterator(key, options = {}) {
    yield* pairs(scan(this, { command: "hscan", key, options }));
  },
  async *sscanIterator(key, options = {}) {
    yield* flatten<string>(scan(this, { command: "sscan", key, options }));
  },
  async *zscanIterator(key, options = {}) {
    for await (
      const [member, score] of pairs(scan(this, { command: "zscan", key, options }))
    ) {
      yield [member, toScore(score)];
    }
  },
};

async function* flatten<T>(
  pages: AsyncIterable<unknown[]>,
): AsyncGenerator<T, void, undefined> {
  for await (const page of pages) yield* page as T[];
}

async function* pairs(
  pages: AsyncIterable<unknown[]>,
): AsyncGenerator<[string, string], void, undefined> {
  for await (const page of pages) {
    for (let i = 0; i + 1 < page.length; i += 2) {
      yield [page[i] as string, page[i + 1] as string];
    }
  }
}

function toScore(text: unknown): number {
  const score = String(text);
  return /inf/.test(score)
    ? (score.startsWith("-") ? -Infinity : Infinity)
    : Number(score);
}

/** What ioredis' streams are, as its types have them. */
type ScanStream = ReturnType<Redis["scanStream"]>;

/** Makes the stream of `scanStream()` and such; its items are lists, as ioredis' are. */
function createScanStream(
  this: ScanningClient,
  method: string,
  { key, options = {} }: { key?: Text; options?: Scan["options"] },
): ScanStream {
  const command = method.replace("Buffer", "") as Scan["command"];
  const isBinary = command !== method;
  let isClosed = false;
  const pages = async function* (client: ScanningClient) {
    for await (const page of scan(client, { command, key, options, isBinary })) {
      yield page;
      if (isClosed) return;
    }
  };
  const stream = Readable.from(pages(this), { objectMode: true });
  return Object.assign(stream, { close: () => void (isClosed = true) }) as ScanStream;
}

/** Scans; gives the elements page by page. */
async function* scan(
  client: ScanningClient,
  what: Scan,
): AsyncGenerator<unknown[], void, undefined> {
  const { onRestart } = what.options;
  checkCount(what.options.count);
  const prefix = what.command === "scan" ? client.options.keyPrefix ?? "" : "";
  const bytes = encoder.encode(prefix).length;
  const unprefixed = (key: Text) =>
    key.slice(typeof key === "string" ? prefix.length : bytes);
  let cursor = "0";
  let server: string | undefined;
  for (;;) {
    const page = await fetchPage(client, what, prefix, cursor);
    // In a cluster, SCAN looks after itself.
    const answeredBy = page.connection === undefined ||
        (cursor === "0" && page.cursor === "0")
      ? undefined
      : await serverOf(page.connection);
    if (cursor !== "0" && answeredBy !== server) {
      const restart = {
        endpoint: page.connection!.endpoint,
        reason: "the server was restarted, or another one has taken over",
      };
      client.scanRestarted(restart);
      onRestart?.(restart);
      cursor = "0";
      continue;
    }
    yield prefix === "" ? page.items : (page.items as Text[]).map(unprefixed);
    if (page.cursor === "0") return;
    ({ cursor } = page);
    server = answeredBy;
  }
}

function checkCount(count: number | undefined): void {
  if (count === undefined || (Number.isInteger(count) && count >= 1)) return;
  throw new RangeError(
    `Cannot scan as count must be an integer of 1 or more: current value is ${count}`,
  );
}

/** What one request has given. */
interface Page {
  readonly cursor: string;
  readonly items: unknown[];
  /** The connection that it came over; unset if it came of several. */
  readonly connection: CommandConnection | undefined;
}

/** Requests a page, again while the server is away, once there was one. */
async function fetchPage(
  client: ScanningClient,
  what: Scan,
  prefix: string,
  cursor: string,
): Promise<Page> {
  const startedAt = performance.now();
  for (let pauseMs = PAUSE_MS.first;; pauseMs = Math.min(2 * pauseMs, PAUSE_MS.longest)) {
    const command = makeCommand(client, what, prefix, cursor);
    try {
      const [next, items] = await client.sendCommand(command) as [Text, unknown[]];
      const { connection } = (command as PendingCommand).tracking;
      const text = typeof next === "string" ? next : decoder.decode(next);
      return { cursor: text, items, connection };
    } catch (error) {
      const isPatient = cursor !== "0" && isPassing(error, command as ScopedCommand);
      if (!isPatient || performance.now() - startedAt > PATIENCE_MS) throw error;
      await delay(pauseMs, { signal: (command as ScopedCommand).call?.signal });
    }
  }
}

/** Whether an error may be over in a while, and is not what the caller asked for. */
function isPassing(error: unknown, { call }: ScopedCommand): boolean {
  if (isReplyError(error)) return (error as { retryable?: boolean }).retryable === true;
  if (!(error instanceof RedisManagerError) || error.code === "MANAGER_CLOSED") {
    return false;
  }
  if (error.code === "COMMAND_TIMEOUT") return call?.timeoutMs === undefined;
  return error.retryable || error.code === "CONNECTION_LOST";
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What a pattern takes for more than itself. */
const SPECIAL = /[\\*?[\]]/g;

function makeCommand(
  client: ScanningClient,
  { command, isBinary, key, options }: Scan,
  prefix: string,
  cursor: string,
): IORedisCommand {
  const { count, match, noValues, onRestart, type } = options;
  const args: unknown[] = key === undefined ? [cursor] : [key, cursor];
  if (prefix !== "") args.push("MATCH", prefix.replace(SPECIAL, "\\$&") + (match ?? "*"));
  else if (match !== undefined) args.push("MATCH", match);
  if (type !== undefined) args.push("TYPE", type);
  if (count !== undefined) args.push("COUNT", count);
  if (noValues === true) args.push("NOVALUES");
  const made = new ManagedCommand(command, args, {
    replyEncoding: isBinary === true ? null : "utf8",
    keyPrefix: client.options.keyPrefix,
  });
  (made as ScanCommand).onRestart = onRestart;
  return made as unknown as IORedisCommand;
}

/** How long a server may take to say which process it is, in milliseconds. */
const INFO_MS = 5000;

const servers = new WeakMap<CommandConnection, Promise<string>>();

/**
 * What tells the process of a server from every other one, its `run_id` of INFO: a cursor
 * means something to the one that gave it only, as each hashes its keys in another way.
 * Where INFO is not allowed, it is the server's address, so that a restart goes unnoticed.
 */
export function serverOf(connection: CommandConnection): Promise<string> {
  const known = servers.get(connection);
  if (known !== undefined) return known;
  const asked = connection.query(INFO_MS, "info", "server").then((answer) => {
    if (answer === undefined) {
      // The connection was lost: another server may be there next time.
      servers.delete(connection);
      return crypto.randomUUID();
    }
    if ("error" in answer) return connection.endpoint;
    const { reply } = answer;
    const text = reply instanceof Uint8Array ? decoder.decode(reply) : String(reply);
    return /^run_id:(\w+)/m.exec(text)?.[1] ?? connection.endpoint;
  });
  servers.set(connection, asked);
  return asked;
}
