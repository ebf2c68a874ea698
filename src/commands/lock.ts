import type { Clock, Timer } from "../core/clock.ts";
import { LockError, RedisManagerError } from "../core/errors/mod.ts";
import type { RedisClient } from "./client.ts";

/** How a lock is taken and held. */
export interface LockOptions {
  /** How long it is held without being renewed, in milliseconds: an integer, 100 or more.
   * It is renewed by itself after a third of that. Default 30,000. */
  readonly ttlMs?: number;
  /** Longest wait for it while others hold it, in milliseconds, 0 or more; 0 tries once.
   * Default: no limit. */
  readonly waitMs?: number;
  /** Ends the wait for it, with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * A lock that is held until it is released or lost. It is advisory: what it protects is safe
 * only if it refuses a {@linkcode Lock.fencingToken} that is lower than one that it has seen.
 */
export interface Lock extends AsyncDisposable {
  /** Its name. */
  readonly name: string;
  /** A safe integer that is higher than that of every earlier holder of this lock. */
  readonly fencingToken: number;
  /** Whether it is held, by this process's monotonic clock. A process that was stopped
   * sees the loss here at once, and by {@linkcode Lock.signal} when its timers run. */
  readonly held: boolean;
  /** Aborts when the lock is lost, with a `LockError`; not when it is released. */
  readonly signal: AbortSignal;
  /**
   * Lets others have it. A second call does nothing.
   *
   * @returns Whether the server confirms that it was held until now without a break; `false`
   * also where that is not known.
   */
  release(): Promise<boolean>;
}

/** What a lock needs of its database. */
export interface LockParts {
  readonly client: RedisClient;
  readonly clock: Clock;
  readonly commandTimeoutMs: number;
}

const TTL_MS = 30_000;
const MIN_TTL_MS = 100;
/** How long the server remembers the fencing token of a lock after its last use. */
const MEMORY_MS = 24 * 60 * 60 * 1000;
/** Part of the time to live that is given away, for clocks that go at different speeds:
 * what the Redlock algorithm allows for, 1 % and 2 ms. */
const DRIFT = 0.01;
const DRIFT_MS = 2;
/** Pauses between two looks at a lock that another holds, in milliseconds. */
const MIN_PAUSE_MS = 10;
const MAX_PAUSE_MS = 250;

/**
 * Takes, renews and releases. The value of the key: the fencing token, until when it is held
 * by the server's clock in ms, the holder. Each call may be sent again: it changes nothing
 * more, and says the same.
 *
 * The fencing token is the server's time in microseconds, or one more than the last one: so
 * it also grows where the last one was lost in a failover or has expired, unless the clock
 * of the new server is behind by more than the time in between.
 */
const SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last, till, holder = 0, 0, ''
local value = redis.call('GET', KEYS[1])
if value then last, till, holder = string.match(value, '^(%d+) (%d+) (.*)$') end
last, till = tonumber(last or 0), tonumber(till or 0)
local ours = holder == ARGV[2] and now < till
if ARGV[1] == 'take' then
  if now < till and not ours then return {0, tostring(till - now)} end
  if not ours then last = math.max(last + 1, time[1] * 1000000 + time[2]) end
elseif not ours then
  return {0, '0'}
end
till = ARGV[1] == 'release' and 0 or now + ARGV[3]
local kept = string.format('%.0f %.0f %s', last, till, ARGV[2])
redis.call('SET', KEYS[1], kept, 'PX', math.max(${MEMORY_MS}, ARGV[3] * 2))
return {1, string.format('%.0f', last)}
`.trim();

/**
 * Takes a lock, waiting for it while another holds it.
 *
 * A loss of the connection leaves open whether it was taken: the server is asked again under
 * the same name of the holder, and says.
 */
export async function takeLock(
  parts: LockParts,
  name: string,
  options: LockOptions,
): Promise<Lock> {
  const { signal, ttlMs = TTL_MS, waitMs = Infinity } = options;
  checkOptions(name, ttlMs, waitMs);
  const { client, clock, commandTimeoutMs } = parts;
  const until = clock.now() + waitMs;
  const key = new LockKey(parts, name, ttlMs);
  let mayBeOurs: Error | undefined;
  for (let attempt = 1;; attempt++) {
    signal?.throwIfAborted();
    const leftMs = until - clock.now();
    // What comes later than half the time that it is held is of little use.
    const mostMs = Math.min(commandTimeoutMs, ttlMs / 2);
    const timeoutMs = attempt === 1 ? mostMs : Math.min(mostMs, Math.max(1, leftMs));
    const sentAt = clock.now();
    let pauseMs = Math.min(MIN_PAUSE_MS * 2 ** (attempt - 1), MAX_PAUSE_MS);
    let why: string | undefined;
    let cause: Error | undefined;
    try {
      const [isTaken, answer] = await key.run("take", { timeoutMs, signal });
      if (isTaken) {
        const held = new HeldLock(parts, key, Number(answer), sentAt);
        if (held.held) return held;
        why = "it took longer to take than it is held";
      } else {
        mayBeOurs = undefined;
        why = `another holder has it for ${answer} ms more`;
        pauseMs = Math.min(pauseMs, Math.max(1, Number(answer)));
      }
    } catch (error) {
      if (signal?.aborted) {
        await key.giveUp();
        throw signal.reason;
      }
      if (!isPassing(error)) throw error;
      cause = error as Error;
      if ((error as RedisManagerError).delivery === "ambiguous") mayBeOurs = cause;
      why = cause.message;
    }
    if (clock.now() + pauseMs >= until) {
      if (mayBeOurs !== undefined) await key.giveUp();
      throw new LockError(client.databaseName, name, why, cause);
    }
    await clock.sleep(pauseMs * (0.5 + Math.random() / 2), { signal });
  }
}

function checkOptions(name: string, ttlMs: number, waitMs: number): void {
  if (typeof name !== "string" || name === "") {
    throw new TypeError(`Cannot take a lock: its name is ${Deno.inspect(name)}`);
  }
  if (!Number.isSafeInteger(ttlMs) || ttlMs < MIN_TTL_MS) {
    throw new RangeError(
      `Cannot take a lock as ttlMs must be an integer of ${MIN_TTL_MS} or more: current ` +
        `value is ${ttlMs}`,
    );
  }
  if (!(waitMs >= 0)) {
    throw new RangeError(
      `Cannot take a lock as waitMs must be 0 or more: current value is ${waitMs}`,
    );
  }
}

/** Whether an error may be over soon, so that asking again can help. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof RedisManagerError)) {
    return (error as { retryable?: boolean }).retryable === true;
  }
  return error.retryable || error.delivery === "ambiguous";
}

/** A lock's key as one holder uses it. */
class LockKey {
  readonly name: string;
  readonly ttlMs: number;
  readonly #client: RedisClient;
  readonly #holder: string = crypto.randomUUID();

  constructor({ client }: LockParts, name: string, ttlMs: number) {
    this.name = name;
    this.ttlMs = ttlMs;
    this.#client = client;
  }

  async run(
    verb: "take" | "renew" | "release",
    call: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<[isDone: boolean, answer: string]> {
    // A repetition changes nothing more.
    const client = this.#client.with({ ...call, retryWrites: true });
    const key = `mooring:lock:${this.name}`;
    const reply = await client.eval(SCRIPT, 1, key, verb, this.#holder, this.ttlMs);
    const [isDone, answer] = reply as [number, string | Uint8Array];
    return [isDone === 1, String(answer)];
  }

  /** Releases what may have been taken; if that fails, it is over by itself. */
  async giveUp(): Promise<void> {
    await this.run("release").catch(() => {});
  }
}

/** A lock that was taken. */
class HeldLock implements Lock {
  readonly fencingToken: number;
  readonly #parts: LockParts;
  readonly #key: LockKey;
  readonly #lost = new AbortController();
  #until = 0;
  #renewal: Timer | undefined;
  #expiry: Timer | undefined;
  #released: Promise<boolean> | undefined;

  constructor(parts: LockParts, key: LockKey, fencingToken: number, sentAt: number) {
    this.#parts = parts;
    this.#key = key;
    this.fencingToken = fencingToken;
    this.#extend(sentAt);
  }

  get name(): string {
    return this.#key.name;
  }

  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  get held(): boolean {
    return this.#released === undefined && !this.signal.aborted &&
      this.#parts.clock.now() < this.#until;
  }

  release(): Promise<boolean> {
    return this.#released ??= this.#release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  async #release(): Promise<boolean> {
    this.#stop();
    if (this.signal.aborted) return false;
    try {
      return (await this.#key.run("release"))[0];
    } catch (error) {
      // Others can have it when its time is over.
      if (isPassing(error)) return false;
      throw error;
    }
  }

  /** It is held for its time to live from when the server was asked. */
  #extend(sentAt: number): void {
    const { clock } = this.#parts;
    const { ttlMs } = this.#key;
    this.#stop();
    this.#until = sentAt + ttlMs * (1 - DRIFT) - DRIFT_MS;
    this.#expiry = clock.setTimer(
      () => this.#lose("it was not renewed in time"),
      this.#until - clock.now(),
    );
    this.#renewal = clock.setTimer(() => void this.#renew(), ttlMs / 3);
  }

  async #renew(): Promise<void> {
    const { clock } = this.#parts;
    const sentAt = clock.now();
    try {
      const timeoutMs = Math.max(1, this.#until - sentAt);
      const [isHeld] = await this.#key.run("renew", { timeoutMs });
      if (this.#released !== undefined || this.signal.aborted) return;
      if (isHeld) this.#extend(sentAt);
      else this.#lose("the server does not know it any more, or another has it");
    } catch (cause) {
      if (this.#released !== undefined || this.signal.aborted) return;
      if (!isPassing(cause)) return this.#lose("it cannot be renewed", cause);
      this.#renewal = clock.setTimer(() => void this.#renew(), this.#key.ttlMs / 20);
    }
  }

  #lose(why: string, cause?: unknown): void {
    this.#stop();
    const { databaseName } = this.#parts.client;
    this.#lost.abort(new LockError(databaseName, this.name, why, cause));
  }

  #stop(): void {
    this.#renewal?.cancel();
    this.#expiry?.cancel();
  }
}
