import { setImmediate } from "node:timers";
import type { CallOptions, ScopedCommand } from "../commands/call_options.ts";
import type { CommandRoute } from "../commands/client.ts";
import type { RedisConfig } from "../config/mod.ts";
import type { Command } from "../connection/ioredis.ts";
import { ManagedCommand } from "../connection/managed_command.ts";
import type { Clock } from "../core/clock.ts";
import type { DatabaseStatistics } from "../observability/statistics.ts";
import { NIL_MISSES } from "../resilience/command_table.ts";
import {
  type CachedRead,
  cachedRead,
  formOf,
  givesBytes,
  isText,
} from "./cached_reads.ts";
import { Entries, Entry, hashOf } from "./entries.ts";
import type { WriteListener, WrittenKeys } from "./own_writes.ts";
import { copyReply, detachReply } from "./reply_values.ts";
import { type TrackedConnection, Tracking } from "./tracking.ts";

/** What a near cache needs. */
export interface NearCacheOptions {
  /** The database. */
  readonly config: Pick<
    RedisConfig,
    "commandTimeoutMs" | "keyPrefix" | "nearCache"
  >;
  /** In a cluster: the slot of a key. */
  readonly slotOf?: (key: string) => number;
  /** Counts. */
  readonly statistics: Pick<DatabaseStatistics, "commandFailed" | "counts">;
  /** Says why nothing is kept. */
  readonly warn: (message: string) => void;
  /** Time. */
  readonly clock: Clock;
}

/**
 * A call waits for a turn of the event loop after so many hits. A loop of nothing but hits
 * would otherwise keep the sockets from being read, and so wait for ever for a change.
 */
const HITS_BETWEEN_TURNS = 1000;

type Call = CallOptions | undefined;

const GET = cachedRead("get")!;
const MGET = cachedRead("mget")!;

/** A call whose reply is awaited. */
type Waiting = Entry<ManagedCommand>;

/**
 * The near cache of one database: replies of reads, kept in this process until the server
 * says that their key has changed.
 *
 * The server remembers what a connection has read (`CLIENT TRACKING`), and announces the
 * first change of each such key on the same connection, in order with the replies. So:
 *
 * - What a connection has read is kept as long as that connection is open: no longer, as
 *   changes after its end are not announced.
 * - A call is an entry from the moment it is sent. Whoever makes the same call meanwhile
 *   waits for the same reply, and a change that is announced before the reply was kept
 *   takes the entry away: the reply goes to those that wait, and is not kept.
 * - What this manager writes is forgotten when it is sent and when it is answered
 *   (`own_writes.ts`).
 */
export class NearCache implements WriteListener {
  readonly #options: NearCacheOptions;
  readonly #entries: Entries<ManagedCommand>;
  readonly #counts: DatabaseStatistics["counts"];
  readonly #clock: Clock;
  readonly #ttlMs: number;
  /** Beginnings of the keys that are kept; of all keys if there are none. */
  readonly #prefixes: readonly string[];
  readonly #tracking: Tracking;
  /** Hits until a call waits for the next turn of the event loop. */
  #hitsUntilTurn = HITS_BETWEEN_TURNS;

  constructor(options: NearCacheOptions) {
    const { clock, config: { keyPrefix, nearCache }, statistics, warn } = options;
    this.#options = options;
    this.#entries = new Entries(nearCache);
    this.#counts = statistics.counts;
    this.#clock = clock;
    this.#ttlMs = nearCache.ttlMs;
    const prefixes = nearCache.prefixes.map((prefix) => keyPrefix + prefix);
    this.#prefixes = prefixes;
    this.#tracking = new Tracking({
      timeoutMs: options.config.commandTimeoutMs,
      prefixes,
      changed: (key) => this.#changed(key),
      lost: (connection) => this.forgetReadsOf(connection),
      isNeeded: () => this.#entries.kept > 0,
      warn,
      clock,
    });
  }

  /** Replies that are kept, and the bytes that they take. */
  get size(): { readonly entries: number; readonly bytes: number } {
    return { entries: this.#entries.kept, bytes: this.#entries.bytes };
  }

  /**
   * A route that answers from the cache what it can, and passes on the rest.
   *
   * @param reads Takes the reads that may be kept.
   */
  inFrontOf(route: CommandRoute, reads: CommandRoute = route): CommandRoute {
    return {
      ...route,
      dispatch: (command) => {
        const read = cachedRead(command.name);
        if (read === undefined) route.dispatch(command);
        else if (!this.#takes(command, read, reads)) reads.dispatch(command);
      },
    };
  }

  /** A connection for reads was opened; no caller has it yet. */
  opened(connection: TrackedConnection): void {
    this.#tracking.start(connection);
  }

  /** Another server serves now what was read on some connections: nothing that is known
   * counts, nor what is still answered on these. */
  serverChanged(connections: Iterable<object>): void {
    this.#tracking.stop(connections);
    this.#count(this.#entries.clear());
  }

  /** Forgets what was read on a connection: its end would not be announced, nor that its
   * user, which may be another one now, may not read the same. */
  forgetReadsOf(connection: object): void {
    this.#count(this.#entries.forgetWhere(({ source }) => source === connection));
  }

  /** Forgets keys of which something is true, such as that their slot has moved. */
  forgetWhere(isMeant: (key: string) => boolean): void {
    this.#count(this.#entries.forgetWhere(({ key }) => isMeant(key)));
  }

  /** Forgets what this process writes. Not counted: the server announces it too. */
  forget(keys: WrittenKeys): void {
    if (keys === "all") this.#entries.clear();
    else for (const key of keys) this.#entries.forget(key);
  }

  /** Keeps nothing any more. */
  close(): void {
    this.#tracking.close();
    this.#entries.clear();
  }

  /** Answers a call, or makes it one that others may wait for and that is sent by the
   * route; `false` if it has to be sent as if there were no cache. Hot path. */
  #takes(command: unknown, read: CachedRead, route: CommandRoute): boolean {
    if (!(command instanceof ManagedCommand) || command.unwritable !== undefined) {
      return false;
    }
    const { call } = command as ManagedCommand & ScopedCommand;
    if (!isText(command) || call?.signal?.aborted) return false;
    if (read === MGET) return this.#takesMany(command, call, route);
    const key = command.args[0] as string;
    const form = formOf(read, command);
    const hash = hashOf(key);
    const same = this.#entries.find(key, hash, form);
    const found = same ?? (read === GET ? this.#byMget(command, key, hash) : undefined);
    if (found !== undefined && call?.fresh !== true) {
      if (this.#isFresh(found)) {
        if (!this.#waitsForTurn(command, read, route)) this.#hit(command, found.value);
        return true;
      }
      if (found.state === "pending" && found.isShared && !hasOwnLimits(call)) {
        (found.waiters ??= []).push(command);
        return true;
      }
    }
    if (!this.#mayKeep(key)) return false;
    if (same !== undefined) this.#entries.drop(same);
    this.#lead(command, this.#begin(key, hash, form, !hasOwnLimits(call), command));
    route.dispatch(command as unknown as Command);
    return true;
  }

  /** Makes the entry of a call that is about to be sent. */
  #begin(
    key: string,
    hash: number,
    form: string,
    isShared: boolean,
    leader: ManagedCommand,
  ): Waiting {
    const entry = new Entry<ManagedCommand>(key, hash, form, isShared);
    entry.leader = leader;
    this.#entries.add(entry);
    return entry;
  }

  /** What MGET has found for a GET. Its null may stand for a value that is no string. */
  #byMget(command: ManagedCommand, key: string, hash: number): Waiting | undefined {
    const form = givesBytes(command) ? MGET.bareBytes : MGET.bare;
    const found = this.#entries.find(key, hash, form);
    return found?.state === "kept" && found.value !== null ? found : undefined;
  }

  /** The reply that is kept for one key of MGET; `undefined` if there is none. */
  #known(key: string, isBytes: boolean): unknown {
    const hash = hashOf(key);
    for (const { bare, bareBytes } of [GET, MGET]) {
      const entry = this.#entries.find(key, hash, isBytes ? bareBytes : bare);
      if (entry !== undefined && this.#isFresh(entry)) return entry.value;
    }
    return undefined;
  }

  /** Answers MGET key by key: asks the server for those that are not kept. */
  #takesMany(command: ManagedCommand, call: Call, route: CommandRoute): boolean {
    const keys = command.args as string[];
    const isBytes = givesBytes(command);
    const known = keys.map((key) =>
      call?.fresh === true ? undefined : this.#known(key, isBytes)
    );
    const missing = new Set(keys.filter((_, i) => known[i] === undefined));
    if (missing.size === 0 && this.#waitsForTurn(command, MGET, route)) return true;
    this.#counts.nearCacheHits += keys.length - missing.size;
    if (missing.size === 0) {
      this.#succeeded(command, known);
      return true;
    }
    const isNothingKnown = known.every((reply) => reply === undefined);
    const groups = this.#bySlot(missing);
    if (isNothingKnown && groups.length === 1) {
      this.#leadMany(command, keys);
      route.dispatch(command as unknown as Command);
      return true;
    }
    const parts = groups.map((group) => {
      const replyEncoding = isBytes ? null : "utf8";
      const part = new ManagedCommand("mget", [...group], { replyEncoding });
      (part as ScopedCommand).call = call;
      this.#leadMany(part, group);
      return [group, part] as const;
    });
    gather(command, known, parts);
    for (const [, part] of parts) route.dispatch(part as unknown as Command);
    return true;
  }

  /** Keys that one server can be asked for together. */
  #bySlot(keys: ReadonlySet<string>): string[][] {
    const { slotOf } = this.#options;
    return slotOf === undefined ? [[...keys]] : [...Map.groupBy(keys, slotOf).values()];
  }

  /** Notes an MGET that is about to be sent. */
  #leadMany(command: ManagedCommand, keys: readonly string[]): void {
    const form = givesBytes(command) ? MGET.bareBytes : MGET.bare;
    const entries = keys.map((key) => {
      if (!this.#mayKeep(key)) return undefined;
      const hash = hashOf(key);
      const same = this.#entries.find(key, hash, form);
      if (same !== undefined) this.#entries.drop(same);
      return this.#begin(key, hash, form, false, command);
    });
    this.#counts.nearCacheMisses += keys.length;
    const { fail, succeed } = command;
    command.succeed = (replies) => {
      if (replies instanceof Promise) return succeed(replies);
      for (const [i, entry] of entries.entries()) {
        if (entry !== undefined) this.#arrived(entry, command, (replies as unknown[])[i]);
      }
      succeed(replies);
    };
    command.fail = (error) => {
      for (const entry of entries) if (entry !== undefined) this.#entries.drop(entry);
      fail(error);
    };
  }

  /** Whether an entry has a reply that may be given. */
  #isFresh(entry: Waiting): boolean {
    if (entry.state !== "kept") return false;
    if (entry.expiresAt === Infinity || entry.expiresAt > this.#clock.now()) {
      entry.isUsed = true;
      return true;
    }
    this.#entries.drop(entry);
    return false;
  }

  /** Whether the reply for a key can be kept, should it come. */
  #mayKeep(key: string): boolean {
    if (!this.#tracking.isPossible) return false;
    const prefixes = this.#prefixes;
    if (prefixes.length > 0 && !prefixes.some((prefix) => key.startsWith(prefix))) {
      return false;
    }
    // The server announces another key than this one.
    return key.isWellFormed();
  }

  /** Whether a call that would be a hit has to wait for a turn of the event loop: it is
   * made again then. */
  #waitsForTurn(command: ManagedCommand, read: CachedRead, route: CommandRoute): boolean {
    if (--this.#hitsUntilTurn > 0) return false;
    this.#hitsUntilTurn = HITS_BETWEEN_TURNS;
    setImmediate(() => {
      if (this.#takes(command, read, route)) return;
      route.dispatch(command as unknown as Command);
    });
    return true;
  }

  #hit(command: ManagedCommand, value: unknown): void {
    this.#counts.nearCacheHits++;
    this.#succeeded(command, value);
  }

  /** Gives a reply that no server was asked for by this call. */
  #succeeded(command: ManagedCommand, value: unknown): void {
    const counts = this.#counts;
    counts.successfulOperations++;
    if (NIL_MISSES.has(command.name)) {
      if (value === null) counts.cacheMisses++;
      else counts.cacheHits++;
    }
    command.succeed(copyReply(value));
  }

  /** Notes a call that is about to be sent; its reply goes to all that wait for it. */
  #lead(command: ManagedCommand, entry: Waiting): void {
    this.#counts.nearCacheMisses++;
    const { fail, succeed } = command;
    command.succeed = (reply) => {
      // What settles a failed command is a promise; fail() is called behind it.
      if (reply instanceof Promise) return succeed(reply);
      this.#arrived(entry, command, reply);
      succeed(reply);
      const { waiters } = entry;
      if (waiters === undefined) return;
      entry.waiters = undefined;
      for (const waiting of waiters) this.#hit(waiting, reply);
    };
    command.fail = (error) => {
      this.#entries.drop(entry);
      fail(error);
      for (const waiting of entry.waiters ?? []) {
        this.#options.statistics.commandFailed(error);
        waiting.fail(error);
      }
    };
  }

  /** A reply has come: keeps it, unless its key has changed since the call was sent. */
  #arrived(entry: Waiting, command: ManagedCommand, reply: unknown): void {
    const source = command.tracking?.connection;
    if (entry.state === "gone") return this.#dropOlder(entry, source);
    if (source === undefined || !this.#tracking.has(source)) {
      return this.#entries.drop(entry);
    }
    const expiresAt = this.#ttlMs === 0 ? Infinity : this.#clock.now() + this.#ttlMs;
    const { evicted } = this.#entries;
    if (!this.#entries.keep(entry, detachReply(reply), source, expiresAt)) return;
    this.#counts.nearCacheStored++;
    this.#counts.nearCacheEvicted += this.#entries.evicted - evicted;
    this.#tracking.watch();
  }

  /** A reply has come that is not kept: of the same call on another connection, the reply
   * that is kept or awaited may be older. */
  #dropOlder({ form, hash, key }: Waiting, source: object | undefined): void {
    const other = this.#entries.find(key, hash, form);
    if (other === undefined) return;
    const from = other.source ?? other.leader?.tracking?.connection;
    if (from !== source) this.#entries.drop(other);
  }

  /** The server says that a key has changed, or may have; `undefined` for all. */
  #changed(key: string | undefined): void {
    this.#count(key === undefined ? this.#entries.clear() : this.#entries.forget(key));
  }

  #count(invalidated: number): void {
    this.#counts.nearCacheInvalidated += invalidated;
  }
}

/** Whether a call has a deadline or a signal of its own: nobody else waits for its reply,
 * nor does it wait for that of another call. */
function hasOwnLimits(call: CallOptions | undefined): boolean {
  return call !== undefined && (call.timeoutMs ?? call.signal) !== undefined;
}

/** Settles an MGET when its parts are settled. */
function gather(
  command: ManagedCommand,
  known: readonly unknown[],
  parts: readonly (readonly [keys: readonly string[], part: ManagedCommand])[],
): void {
  const found = new Map<unknown, unknown>();
  let left = parts.length;
  let isFailing = false;
  for (const [keys, part] of parts) {
    const { fail, succeed } = part;
    part.succeed = (replies) => {
      if (replies instanceof Promise) {
        // The caller learns of the first failure.
        if (isFailing) return void replies.catch(() => {});
        isFailing = true;
        return command.succeed(replies);
      }
      succeed(replies);
      for (const [i, key] of keys.entries()) found.set(key, (replies as unknown[])[i]);
      if (--left > 0) return;
      command.succeed(
        command.args.map((key, i) =>
          copyReply(known[i] === undefined ? found.get(key) : known[i])
        ),
      );
    };
    part.fail = (error) => {
      part.promise.catch(() => {});
      fail(error);
      command.fail(error);
    };
  }
}
