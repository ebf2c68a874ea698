import type { Clock, Timer } from "../core/clock.ts";
import type { GivenCredentials } from "../core/secret.ts";
import type { CommandConnection } from "./pending_command.ts";

/** What the renewal uses of a connection. */
export interface RenewableConnection extends Pick<CommandConnection, "isOpen" | "query"> {
  onEnd(fn: () => void): void;
}

/** Whether a connection can be authenticated: see `Session.interruptible`. */
export type Interruptible = "now" | "later" | "never";

/** Options of a {@linkcode CredentialRenewal}. */
interface CredentialRenewalOptions<C extends RenewableConnection> {
  /** Calls the provider. */
  readonly ask: () => Promise<GivenCredentials>;
  /** ACL user, unless the provider returns one. */
  readonly username?: string;
  /** Timeout of the provider, in milliseconds. */
  readonly askTimeoutMs: number;
  /** Timeout of AUTH, in milliseconds. */
  readonly timeoutMs: number;
  /** Returns when each connection can be authenticated; called once per round. */
  readonly judge: () => (connection: C) => Interruptible;
  /** Called with each connection that was authenticated anew: its user may be another. */
  readonly authenticated?: (connection: C) => void;
  /** Replaces a connection soon. */
  readonly replace: (connection: C, reason: string) => void;
  /** Logs a warning, which has no secrets. */
  readonly warn: (message: string) => void;
  readonly clock: Clock;
  /** Numbers from 0 up to 1. Default: `Math.random`. */
  readonly random?: () => number;
}

/** A connection whose credentials expire; times are of the wall clock, as expiries are. */
interface Held {
  readonly expiresAt: number;
  /** When it is due for renewal. */
  readonly dueAt: number;
  /** Failed authentications in a row. */
  readonly failures: number;
}

/** The provider's last answer, until it is called again. */
interface Fresh {
  readonly credentials: GivenCredentials;
  readonly dueAt: number;
}

/**
 * Authenticates the open connections of a database again before their credentials expire.
 * One timer and one call of the provider serve all of them; credentials without an expiry
 * need neither.
 *
 * A connection that refuses, or does not answer, is tried once more with new credentials,
 * and then replaced. Where the provider returns nothing newer, connections are left as they
 * are: only the server knows whether the credentials are still valid.
 */
export class CredentialRenewal<C extends RenewableConnection> {
  readonly #options: CredentialRenewalOptions<C>;
  readonly #held = new Map<C, Held>();
  #fresh: Fresh | undefined;
  #timer: Timer | undefined;
  #renewing = false;
  #stopped = false;

  constructor(options: CredentialRenewalOptions<C>) {
    this.#options = options;
  }

  /** Adds an open connection whose credentials expire at `expiresAt`, in milliseconds since
   * the Unix epoch. */
  add(connection: C, expiresAt: number): void {
    if (this.#stopped) return;
    const dueAt = this.#renewalTime(expiresAt);
    this.#held.set(connection, { expiresAt, dueAt, failures: 0 });
    connection.onEnd(() => {
      this.#held.delete(connection);
      if (this.#held.size === 0) this.#cancel();
    });
    this.#arm();
  }

  /** Stops all renewals. */
  stop(): void {
    this.#stopped = true;
    this.#held.clear();
    this.#cancel();
  }

  #cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#fresh = undefined;
  }

  #renewalTime(expiresAt: number): number {
    const { clock, random = Math.random } = this.#options;
    return renewalTime(expiresAt, clock.wallNow(), random());
  }

  #arm(): void {
    if (this.#stopped || this.#renewing || this.#held.size === 0) return;
    this.#timer?.cancel();
    let dueAt = Infinity;
    for (const held of this.#held.values()) dueAt = Math.min(dueAt, held.dueAt);
    const { clock } = this.#options;
    // The wall clock may be set, and the machine may sleep: it is read now and then.
    const sleepMs = Math.min(dueAt - clock.wallNow(), MAX_SLEEP_MS);
    this.#timer = clock.setTimer(() => void this.#wake(), sleepMs);
  }

  async #wake(): Promise<void> {
    this.#timer = undefined;
    const now = this.#options.clock.wallNow();
    this.#renewing = true;
    try {
      if (this.#held.values().some(({ dueAt }) => dueAt <= now)) await this.#renew(now);
    } finally {
      this.#renewing = false;
      this.#arm();
    }
  }

  /** One round: all connections that can be authenticated, if one of them is due. */
  async #renew(now: number): Promise<void> {
    const judge = this.#options.judge();
    const due = [...this.#held].filter(([, { dueAt }]) => dueAt <= now);
    const free = due.filter(([connection]) => !this.#isBusy(connection, judge));
    if (free.length === 0) return;
    const fresh = this.#usable(free.map(([, held]) => held), now) ?? await this.#ask();
    if (this.#stopped) return;
    if (typeof fresh === "string") return this.#postpone(free, fresh);
    const { expiresAt } = fresh.credentials;
    const stale = free.filter(([, held]) => held.expiresAt >= expiresAt);
    // The others would be due soon: they are renewed in the same round.
    const older = [...this.#held].filter(([, held]) => held.expiresAt < expiresAt);
    const judgeNow = this.#options.judge();
    const ready = older.filter(([connection]) => !this.#isBusy(connection, judgeNow));
    if (stale.length > 0) this.#postpone(stale, "gave nothing that lasts longer");
    const refusals = await Promise.all(
      ready.map(([connection, held]) => this.#authenticate(connection, held, fresh)),
    );
    const refused = refusals.filter((refusal) => refusal !== undefined);
    if (refused.length === 0) return;
    this.#fresh = undefined;
    const why = [...new Set(refused)].join(", ");
    this.#options.warn(
      `${refused.length} of ${ready.length} connections could not be authenticated ` +
        `anew before their credentials expire: ${why}`,
    );
  }

  /** Whether a connection has to wait, or needs no renewal any more. */
  #isBusy(connection: C, judge: (connection: C) => Interruptible): boolean {
    const held = this.#held.get(connection);
    if (held === undefined) return true;
    const when = judge(connection);
    if (when === "now") return false;
    const now = this.#options.clock.wallNow();
    if (when === "never") this.#held.delete(connection);
    else if (now < held.expiresAt) {
      this.#held.set(connection, { ...held, dueAt: now + LOOK_AGAIN_MS });
    } else this.#giveUp(connection, "its credentials expired while it was in use");
    return true;
  }

  /** The last credentials, if they are still new and none of these has refused them. */
  #usable(held: readonly Held[], now: number): Fresh | undefined {
    const fresh = this.#fresh;
    if (fresh === undefined || fresh.dueAt <= now) return undefined;
    const isNews = held.every(({ expiresAt, failures }) =>
      failures === 0 && expiresAt < fresh.credentials.expiresAt
    );
    return isNews ? fresh : undefined;
  }

  /** Calls the provider. Returns its failure as a text without its message, which may have
   * secrets. */
  async #ask(): Promise<Fresh | string> {
    const { ask, askTimeoutMs, clock } = this.#options;
    const { promise, resolve } = Promise.withResolvers<string>();
    const timer = clock.setTimer(
      () => resolve(`did not answer within ${askTimeoutMs} ms`),
      askTimeoutMs,
    );
    try {
      const found = await Promise.race([ask(), promise]);
      if (typeof found === "string") return found;
      const dueAt = this.#renewalTime(found.expiresAt);
      const fresh = { credentials: found, dueAt };
      if (!this.#stopped) this.#fresh = fresh;
      return fresh;
    } catch (error) {
      return `failed (${error instanceof Error ? error.name : typeof error})`;
    } finally {
      timer.cancel();
    }
  }

  /** The provider returned nothing new: it is called again, as long as there is time. */
  #postpone(entries: readonly (readonly [C, Held])[], what: string): void {
    const now = this.#options.clock.wallNow();
    let left = 0;
    for (const [connection, held] of entries) {
      if (!this.#held.has(connection)) continue;
      const dueAt = nextTryAt(held.expiresAt, now);
      if (dueAt !== undefined) this.#held.set(connection, { ...held, dueAt });
      else {
        this.#held.delete(connection);
        left++;
      }
    }
    this.#fresh = undefined;
    const outcome = left === 0
      ? "it is asked again"
      : `${left} connections are left with credentials that expire`;
    this.#options.warn(`the provider of the password ${what}: ${outcome}`);
  }

  /** Authenticates a connection. Returns why it could not. */
  async #authenticate(
    connection: C,
    held: Held,
    { credentials, dueAt }: Fresh,
  ): Promise<string | undefined> {
    const { clock, timeoutMs } = this.#options;
    const { password, expiresAt, username = this.#options.username } = credentials;
    const args = username === undefined ? [password] : [username, password];
    const answer = await connection.query(timeoutMs, "auth", ...args);
    if (!this.#held.has(connection) || !connection.isOpen) return undefined;
    if (answer !== undefined && "reply" in answer) {
      this.#options.authenticated?.(connection);
      if (expiresAt === Infinity) this.#held.delete(connection);
      else this.#held.set(connection, { expiresAt, dueAt, failures: 0 });
      return undefined;
    }
    const why = answer === undefined
      ? `no answer within ${timeoutMs} ms`
      : answer.error.message.split(" ", 1)[0]!;
    const next = nextTryAt(held.expiresAt, clock.wallNow());
    if (held.failures > 0 || next === undefined) {
      this.#giveUp(connection, `it could not be authenticated anew: ${why}`);
    } else this.#held.set(connection, { ...held, dueAt: next, failures: 1 });
    return why;
  }

  #giveUp(connection: C, reason: string): void {
    this.#held.delete(connection);
    this.#options.replace(connection, reason);
  }
}

/** Share of the remaining time that is reserved for the renewal. */
const MARGIN_SHARE = 0.25;
/** Its upper limit, in milliseconds. */
const MAX_MARGIN_MS = 30_000;
/** Random part of the margin, so that processes that got credentials together do not call the
 * provider together. */
const JITTER = 0.5;
/** Least time between two calls of a provider, in milliseconds. */
const MIN_PAUSE_MS = 1000;

/** Time between two looks at a connection that is busy, in milliseconds. */
const LOOK_AGAIN_MS = 50;
/** Longest time without a look at the wall clock, in milliseconds. */
const MAX_SLEEP_MS = 60_000;

/**
 * When credentials are renewed: a quarter of their time, at most 30 seconds, before they
 * expire, and up to half of that earlier. All times are in milliseconds on one clock.
 *
 * @param random A number from 0 up to 1.
 * @returns At least a second from now, so that a provider that returns expired credentials
 * is not called without a pause.
 */
export function renewalTime(expiresAt: number, now: number, random: number): number {
  const marginMs = Math.min((expiresAt - now) * MARGIN_SHARE, MAX_MARGIN_MS);
  return Math.max(expiresAt - marginMs * (1 + JITTER * random), now + MIN_PAUSE_MS);
}

/** When a failed renewal is retried: after half of the time that is left; `undefined` if it
 * would be too late. */
export function nextTryAt(expiresAt: number, now: number): number | undefined {
  const at = now + Math.max((expiresAt - now) / 2, MIN_PAUSE_MS);
  return at < expiresAt ? at : undefined;
}
