import type { Clock, Timer } from "../core/clock.ts";
import type { GivenCredentials } from "../core/secret.ts";
import type { Answer } from "./connection.ts";
import {
  LOOK_AGAIN_MS,
  MAX_SLEEP_MS,
  nextTryAt,
  renewalTime,
} from "./credential_schedule.ts";

/** What the renewal needs of a connection. */
export interface RenewableConnection {
  /** Whether it can take commands. */
  readonly isOpen: boolean;
  /** Asks the server something of our own. */
  query(
    timeoutMs: number,
    name: string,
    ...args: string[]
  ): Promise<Answer | undefined>;
  /** Calls back once when it has ended. */
  onEnd(fn: () => void): void;
}

/** Whether a connection can be authenticated: see `Session.interruptible`. */
export type Interruptible = "now" | "later" | "never";

/** What a renewal needs. */
export interface CredentialRenewalOptions<C extends RenewableConnection> {
  /** Asks the provider. */
  readonly ask: () => Promise<GivenCredentials>;
  /** ACL user where the provider names none. */
  readonly username?: string;
  /** How long the provider may take to answer, in milliseconds. */
  readonly askTimeoutMs: number;
  /** How long a connection may take to answer, in milliseconds. */
  readonly timeoutMs: number;
  /** Says when each connection can be authenticated; called once a round. */
  readonly judge: () => (connection: C) => Interruptible;
  /** Sees to it that a connection is not used for long any more. */
  readonly replace: (connection: C, reason: string) => void;
  /** Tells somebody; no secret is part of it. */
  readonly warn: (message: string) => void;
  /** Time. */
  readonly clock: Clock;
  /** Numbers from 0 up to 1. Default: `Math.random`. */
  readonly random?: () => number;
}

/** A connection whose credentials expire; times are of the wall clock, as expiries are. */
interface Held {
  readonly expiresAt: number;
  /** When it is to be looked at next. */
  readonly dueAt: number;
  /** Authentications that failed in a row. */
  readonly failures: number;
}

/** What was given last, as long as it need not be asked for again. */
interface Fresh {
  readonly credentials: GivenCredentials;
  readonly dueAt: number;
}

/**
 * Authenticates the open connections of a database anew before their credentials expire.
 * One timer and one question to the provider serve all of them; without an expiry there
 * is neither.
 *
 * A connection that refuses, or does not answer, is tried once more with credentials
 * asked for anew, and then replaced. Where the provider gives nothing newer, connections
 * are left as they are: only the server knows whether it still serves them.
 */
export class CredentialRenewal<C extends RenewableConnection> {
  readonly #options: CredentialRenewalOptions<C>;
  readonly #held = new Map<C, Held>();
  #fresh: Fresh | undefined;
  #timer: Timer | undefined;
  #renewing = false;
  #stopped = false;

  /**
   * Makes a renewal; it does nothing until there is a connection to look after.
   *
   * @param options What it needs.
   */
  constructor(options: CredentialRenewalOptions<C>) {
    this.#options = options;
  }

  /**
   * Looks after a connection.
   *
   * @param connection The connection, open.
   * @param expiresAt When its credentials expire, in milliseconds since the Unix epoch.
   */
  add(connection: C, expiresAt: number): void {
    if (this.#stopped) return;
    const dueAt = this.#renewalTime(expiresAt);
    this.#held.set(connection, { expiresAt, dueAt, failures: 0 });
    connection.onEnd(() => {
      this.#held.delete(connection);
      if (this.#held.size === 0) this.#rest();
    });
    this.#arm();
  }

  /** Looks after nothing any more. */
  stop(): void {
    this.#stopped = true;
    this.#held.clear();
    this.#rest();
  }

  #rest(): void {
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
    // The wall clock may be set, and the machine may sleep: it is looked at meanwhile.
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

  /** One round: all that can be interrupted, if one of them is due. */
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
    // Others would be due soon: they have the same round.
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

  /** Whether a connection has to wait, or is not to be looked after any more. */
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

  /** What was given before, if it is still new and none of these has refused it. */
  #usable(held: readonly Held[], now: number): Fresh | undefined {
    const fresh = this.#fresh;
    if (fresh === undefined || fresh.dueAt <= now) return undefined;
    const isNews = held.every(({ expiresAt, failures }) =>
      failures === 0 && expiresAt < fresh.credentials.expiresAt
    );
    return isNews ? fresh : undefined;
  }

  /** Asks the provider; what it failed with is in words, and not its own: they may hold
   * what is secret. */
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

  /** The provider gave nothing new: it is asked again, as long as there is time. */
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

  /** Authenticates a connection; tells why it could not. */
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
