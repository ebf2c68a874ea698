import type { RedisClient } from "../commands/client.ts";
import type { Lock, LockOptions } from "../commands/lock.ts";
import type { Clock } from "../core/clock.ts";
import { DecodeError, RedisManagerError } from "../core/errors/mod.ts";
import type { Codec } from "./codec.ts";

/** How long a value is kept. */
export interface SetValueOptions {
  /** Milliseconds until the server forgets it, an integer, 1 or more. Default: never. */
  readonly ttl?: number;
}

/** How a value is loaded, and for how long it is kept. */
export interface GetOrSetOptions extends SetValueOptions {
  /** Milliseconds after `ttl` for which the old value is still given, while it is loaded anew
   * in the background: nobody waits for a value that is read often enough. An integer, 0 or
   * more; needs `ttl`. Default 0. */
  readonly staleWhileRevalidate?: number;
  /** Whether one process at a time loads a key: the others wait for its value, 10 seconds at
   * most. Default `false`: each process loads by itself. */
  readonly lock?: boolean;
}

/**
 * Values of one type in a database; what {@linkcode RedisConnectionManager.values} gives. Its
 * reads are answered by the near cache, where the database has one.
 *
 * @typeParam T The type of the values.
 */
export interface Values<T> {
  /**
   * Reads a value.
   *
   * @returns The value; `undefined` if there is none.
   * @throws {DecodeError} If what is there cannot be read; it names the key.
   */
  get(key: string): Promise<T | undefined>;
  /**
   * Writes a value.
   *
   * @throws {TypeError} If the codec cannot write it.
   * @throws {RangeError} If `ttl` is not allowed.
   */
  set(key: string, value: T, options?: SetValueOptions): Promise<void>;
  /**
   * Reads values.
   *
   * @returns One for each key, in order; `undefined` where there is none.
   * @throws {DecodeError} If one of them cannot be read; it names the key.
   */
  mget(keys: readonly string[]): Promise<(T | undefined)[]>;
  /**
   * Reads a value, or loads and writes it if there is none. All callers of a key in this
   * process wait for one loader. While the server cannot be asked, the value is loaded and
   * not written.
   *
   * @param load Gives the value; `undefined` is given to the callers and not written.
   * @throws What `load` throws, to all that wait for it.
   * @throws {DecodeError} If what is there cannot be read; it names the key.
   * @throws {RangeError} If a number is not allowed.
   */
  getOrSet(
    key: string,
    load: () => T | undefined | Promise<T | undefined>,
    options?: GetOrSetOptions,
  ): Promise<T | undefined>;
}

/** What values need of their database. */
export interface ValuesParts {
  readonly client: RedisClient;
  readonly lock: (name: string, options: LockOptions) => Promise<Lock>;
  /** Reports what fails in the background. */
  readonly warn: (message: string) => void;
  /** The values that are being read or loaded in this process, by key. */
  readonly loading: Map<string, Promise<Loaded<unknown>>>;
  /** The keys that are loaded in the background. */
  readonly refreshing: Set<string>;
  readonly clock: Clock;
}

/** Longest wait for the value that another process loads, in milliseconds. */
const LOCK_WAIT_MS = 10_000;
/** How long that lock is held without being renewed, in milliseconds. */
const LOCK_TTL_MS = 5000;

/** Before a value that may be given when it is old: until when it is not, in milliseconds of
 * Unix time. No JSON begins so. */
// deno-lint-ignore no-control-regex -- what no text begins with is meant
const FRESH_UNTIL = /^\x01(\d+);/;

/** A value as it is in the database. */
interface Stored {
  readonly text: string;
  readonly isStale: boolean;
}

/** A value that was loaded. */
export interface Loaded<T> {
  readonly value: T | undefined;
  /** What was written of it. */
  readonly text: string | undefined;
}

/** The implementation of {@linkcode Values}. */
export class DatabaseValues<T> implements Values<T> {
  readonly #parts: ValuesParts;
  readonly #codec: Codec<T>;

  constructor(parts: ValuesParts, codec: Codec<T>) {
    this.#parts = parts;
    this.#codec = codec;
  }

  async get(key: string): Promise<T | undefined> {
    const stored = await this.#read(key);
    return stored && await this.#decode(key, stored.text);
  }

  async set(key: string, value: T, { ttl }: SetValueOptions = {}): Promise<void> {
    checkMs("ttl", ttl, 1);
    await this.#write(key, this.#encode(key, value), ttl);
  }

  async mget(keys: readonly string[]): Promise<(T | undefined)[]> {
    if (keys.length === 0) return [];
    const replies = await this.#parts.client.mget([...keys]);
    return await Promise.all(replies.map(async (reply, i) => {
      const stored = this.#open(reply);
      return stored && await this.#decode(keys[i]!, stored.text);
    }));
  }

  async getOrSet(
    key: string,
    load: () => T | undefined | Promise<T | undefined>,
    options: GetOrSetOptions = {},
  ): Promise<T | undefined> {
    const { staleWhileRevalidate = 0, ttl } = options;
    checkMs("ttl", ttl, 1);
    checkMs("staleWhileRevalidate", staleWhileRevalidate, 0);
    if (ttl === undefined && staleWhileRevalidate > 0) {
      throw new RangeError(
        "Cannot give an old value as ttl, after which it is old, is not set",
      );
    }
    return await this.#share(key, () => this.#getOrLoad(key, load, options));
  }

  async #getOrLoad(
    key: string,
    load: () => T | undefined | Promise<T | undefined>,
    options: GetOrSetOptions,
  ): Promise<Loaded<T>> {
    let stored: Stored | undefined;
    try {
      stored = await this.#read(key);
    } catch (error) {
      if (!(error instanceof RedisManagerError && error.retryable)) throw error;
      // What it is loaded from may be well.
      return { value: await load(), text: undefined };
    }
    if (stored === undefined) return await this.#load(key, load, options);
    const { isStale, text } = stored;
    if (isStale) void this.#refresh(key, () => this.#load(key, load, options));
    return { value: await this.#decode(key, text), text };
  }

  /** Loads a value anew in the background, once at a time. */
  async #refresh(key: string, load: () => Promise<unknown>): Promise<void> {
    const { refreshing, warn } = this.#parts;
    if (refreshing.has(key)) return;
    refreshing.add(key);
    try {
      await load();
    } catch (error) {
      warn(`the value of ${JSON.stringify(key)} stays old: ${error}`);
    } finally {
      refreshing.delete(key);
    }
  }

  /** Reads or loads a value once for all callers of this process; each gets one of its own. It
   * begins with the read: who has read that there is none waits for no other loader. */
  async #share(key: string, load: () => Promise<Loaded<T>>): Promise<T | undefined> {
    const { loading } = this.#parts;
    const running = loading.get(key);
    if (running !== undefined) {
      const { text, value } = await running;
      return text === undefined ? value as T : await this.#decode(key, text);
    }
    const own = load();
    loading.set(key, own);
    try {
      return (await own).value;
    } finally {
      loading.delete(key);
    }
  }

  async #load(
    key: string,
    load: () => T | undefined | Promise<T | undefined>,
    options: GetOrSetOptions,
  ): Promise<Loaded<T>> {
    if (options.lock !== true) return await this.#loadNow(key, load, options);
    const terms = { ttlMs: LOCK_TTL_MS, waitMs: LOCK_WAIT_MS };
    await using _lock = await this.#parts.lock(`values:${key}`, terms);
    // Another process may have written it meanwhile.
    const stored = await this.#read(key, true);
    if (stored === undefined || stored.isStale) {
      return await this.#loadNow(key, load, options);
    }
    const { text } = stored;
    return { text, value: await this.#decode(key, text) };
  }

  async #loadNow(
    key: string,
    load: () => T | undefined | Promise<T | undefined>,
    { staleWhileRevalidate = 0, ttl }: GetOrSetOptions,
  ): Promise<Loaded<T>> {
    const value = await load();
    if (value === undefined) return { value, text: undefined };
    const text = this.#encode(key, value);
    if (staleWhileRevalidate === 0) await this.#write(key, text, ttl);
    else {
      const freshUntil = Math.round(this.#parts.clock.wallNow()) + ttl!;
      await this.#write(key, `\x01${freshUntil};${text}`, ttl! + staleWhileRevalidate);
    }
    return { value, text };
  }

  async #read(key: string, fresh = false): Promise<Stored | undefined> {
    const { client } = this.#parts;
    return this.#open(await (fresh ? client.with({ fresh }) : client).get(key));
  }

  #open(reply: unknown): Stored | undefined {
    if (reply === null) return undefined;
    const text = String(reply);
    const [head, until] = FRESH_UNTIL.exec(text) ?? [];
    if (head === undefined) return { text, isStale: false };
    const isStale = this.#parts.clock.wallNow() >= Number(until);
    return { text: text.slice(head.length), isStale };
  }

  async #write(key: string, text: string, ttl: number | undefined): Promise<void> {
    const { client } = this.#parts;
    await (ttl === undefined ? client.set(key, text) : client.set(key, text, "PX", ttl));
  }

  #encode(key: string, value: T): string {
    try {
      return this.#codec.encode(value);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new TypeError(
        `Cannot write the value of ${JSON.stringify(key)}: ${why}`,
        { cause },
      );
    }
  }

  async #decode(key: string, text: string): Promise<T> {
    try {
      return await this.#codec.decode(text);
    } catch (error) {
      throw new DecodeError(this.#parts.client.databaseName, key, error);
    }
  }
}

function checkMs(name: string, ms: number | undefined, least: number): void {
  if (ms === undefined || (Number.isSafeInteger(ms) && ms >= least)) return;
  throw new RangeError(
    `Cannot keep a value as ${name} must be an integer of milliseconds, ${least} or more: ` +
      `current value is ${ms}`,
  );
}
