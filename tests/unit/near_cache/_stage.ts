/** A near cache between a caller and commands that a test settles by hand. */
import type { CallOptions, ScopedCommand } from "../../../src/commands/call_options.ts";
import type { NearCacheConfig } from "../../../src/config/settings.ts";
import type { Command } from "../../../src/connection/ioredis.ts";
import { ManagedCommand } from "../../../src/connection/managed_command.ts";
import {
  type CommandConnection,
  type PendingCommand,
  settleFailed,
  track,
} from "../../../src/connection/pending_command.ts";
import { NearCache } from "../../../src/near_cache/near_cache.ts";
import { OwnWrites } from "../../../src/near_cache/own_writes.ts";
import type { TrackedConnection } from "../../../src/near_cache/tracking.ts";
import { DatabaseStatistics } from "../../../src/observability/statistics.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";

/** A connection whose server does what a test says. */
export class FakeConnection {
  isOpen = true;
  lastReceivedAt = 0;
  /** What TRACKING is answered. */
  answer: { reply: unknown } | { error: Error } | undefined = { reply: "OK" };
  /** Whether PING is answered. */
  lives = true;
  readonly sent: string[] = [];
  readonly redis = { condition: { protocol: 3 } };
  changed: (key?: string) => void = () => {};
  readonly #ends: (() => void)[] = [];

  query(_ms: number, ...words: (string | number)[]) {
    this.sent.push(words.join(" "));
    return Promise.resolve(this.answer);
  }
  ask(_ms: number, ...words: string[]): Promise<boolean> {
    this.sent.push(words.join(" "));
    return Promise.resolve(this.lives);
  }
  commandFailed(command: PendingCommand, error: Error): void {
    command.tracking.owner.failed(command, error, "ambiguous");
  }
  execReplied(): void {}
  onInvalidation(fn: (key: string | undefined) => void): void {
    this.changed = fn;
  }
  onEnd(fn: () => void): void {
    this.#ends.push(fn);
  }
  end(): void {
    this.isOpen = false;
    for (const fn of this.#ends) fn();
  }
}

/** Makes a cache, and what a test does with it. */
export function makeStage(
  settings: Partial<NearCacheConfig> = {},
  keyPrefix = "",
  slotOf?: (key: string) => number,
) {
  const clock = new FakeClock();
  const statistics = new DatabaseStatistics("cache", clock);
  const warnings: string[] = [];
  const cache = new NearCache({
    config: {
      commandTimeoutMs: 1000,
      keyPrefix,
      nearCache: { maxEntries: 100, maxBytes: 1e8, ttlMs: 0, prefixes: [], ...settings },
    },
    ...(slotOf === undefined ? {} : { slotOf }),
    statistics,
    warn: (message) => warnings.push(message),
    clock,
  });
  const writes = new OwnWrites(new Set([cache]), keyPrefix);
  const sent: PendingCommand[] = [];
  const owner = {
    replied: () => {},
    failed: (command: PendingCommand, error: Error) => settleFailed(command, error),
  };
  const dispatch = (command: Command) => void sent.push(track(command, owner, 1000));
  const route = cache.inFrontOf(writes.inFrontOf({
    dispatch,
    dispatchBatch: (commands) => commands.forEach(dispatch),
    whenReady: () => Promise.resolve(),
    dispatchOnce: () => {
      throw new Error("not modelled");
    },
    readFrom: () => {
      throw new Error("not modelled");
    },
  }));

  /** Makes a command as a client does. */
  const make = (name: string, args: unknown[], encoding: "utf8" | null = "utf8") =>
    new ManagedCommand(name, args, { replyEncoding: encoding, keyPrefix });
  const call = (
    name: string,
    args: unknown[],
    options?: CallOptions,
    encoding: "utf8" | null = "utf8",
  ) => {
    const command = make(name, args, encoding);
    (command as ScopedCommand).call = options;
    route.dispatch(command as unknown as Command);
    return command.promise;
  };
  return {
    cache,
    clock,
    counts: statistics.counts,
    make,
    route,
    warnings,
    writes,
    call,
    get: (key: string, options?: CallOptions) => call("get", [key], options),
    set: (key: string) => call("set", [key, "v"]),
    /** Writes on a connection that one user has alone. */
    setOn(connection: object, key: string) {
      const command = make("set", [key, "v"]) as unknown as Command;
      writes.sendsOn(connection, command);
      dispatch(command);
      return command.promise;
    },
    connect: () => new FakeConnection(),
    /** Lets the cache track a connection. */
    async track(connection: FakeConnection): Promise<void> {
      cache.opened(connection as unknown as TrackedConnection);
      for (let i = 0; i < 4; i++) await null;
    },
    /** The commands that were sent since the last time. */
    takeSent: () => sent.splice(0),
    /** Notes by which connection a command was sent. */
    sentOn(command: PendingCommand, connection: FakeConnection): void {
      command.tracking.connection = connection as unknown as CommandConnection;
    },
  };
}

/** What {@linkcode makeStage} makes. */
export type Stage = ReturnType<typeof makeStage>;
