/**
 * Who is right about what was written: the callers or the server.
 *
 * @module
 */

/** What a caller was told of an increment that failed. */
export type Delivery = "never-sent" | "rejected" | "ambiguous";

/** What a caller was told of an increment. */
export type Outcome = "acknowledged" | Delivery;

/** The books of one counter. */
export interface CounterVerdict {
  /** The counter's name. */
  name: string;
  /** Sum of the increments that callers were told had been done. */
  acknowledged: number;
  /** Sum of the increments that callers were told may have been done. */
  ambiguous: number;
  /** Sum of the increments that callers were told never left the process. */
  neverSent: number;
  /** Sum of the increments that callers were told the server had refused. */
  rejected: number;
  /** What the server's counter says. */
  applied: number;
  /** Acknowledged and not there: `max(0, acknowledged - applied)`. */
  lost: number;
  /**
   * There and owned by nobody, such as an increment done twice or one that was reported as
   * never sent: `max(0, applied - acknowledged - ambiguous)`.
   */
  doubles: number;
  /** Attempts that were never told anything. */
  pending: number;
  /**
   * Replies of INCR that more than one caller got. A counter that only grows gives each value
   * once, so this is a stranger's reply, or a reply that was read twice.
   */
  repeatedReplies: unknown[];
}

/** The books of all counters. */
export interface Verdict extends Omit<CounterVerdict, "name"> {
  /** Whether nothing is lost, double, pending or repeated, in any counter. */
  ok: boolean;
  /** Each counter alone. */
  counters: CounterVerdict[];
}

interface Account {
  acknowledged: number;
  ambiguous: number;
  "never-sent": number;
  rejected: number;
  pending: number;
  replies: Map<unknown, number>;
}

/** Reads what an increment's error says of it; a `RedisManagerError` has `delivery`. */
export function deliveryOf(error: unknown): Delivery {
  const delivery = typeof error === "object" && error !== null && "delivery" in error
    ? error.delivery
    : undefined;
  if (delivery === "never-sent" || delivery === "rejected" || delivery === "ambiguous") {
    return delivery;
  }
  throw new Error(`Cannot tell the delivery of a failed increment: ${error}`, {
    cause: error,
  });
}

/**
 * Keeps the books of increments while they are made, and compares them with the server's
 * counters afterwards: `acknowledged ≤ applied ≤ acknowledged + ambiguous`.
 *
 * The bound cannot see a double that hides behind an ambiguous increment that was not done:
 * {@linkcode TokenLedger} can, where the test may write tokens instead of counting.
 *
 * @example
 * ```ts
 * const ledger = new Ledger();
 * await Promise.all(callers.map(() => ledger.run("n", () => client.incr("n"))));
 * ledger.assert(async (name) => Number(await server.cli("GET", name)));
 * ```
 */
export class Ledger {
  readonly #accounts = new Map<string, Account>();
  readonly #keepReplies: boolean;

  /**
   * @param options.keepReplies Whether to look for replies that more than one caller got,
   * which takes memory for each increment: not for a soak. Default: true.
   */
  constructor(options: { keepReplies?: boolean } = {}) {
    this.#keepReplies = options.keepReplies ?? true;
  }

  /** Notes one increment of counter `name` by `by` that is over. */
  record(name: string, outcome: Outcome, by = 1): void {
    this.#account(name)[outcome] += by;
  }

  /**
   * Makes one increment and notes how it ended. Resolves with what the caller was told; the
   * increment's own error is noted, not thrown.
   *
   * @param classify Reads the error. Default: {@linkcode deliveryOf}. What it throws counts
   * as ambiguous and is thrown on: an error that says nothing is a finding of its own.
   */
  async run(
    name: string,
    increment: () => Promise<unknown>,
    options: { by?: number; classify?: (error: unknown) => Delivery } = {},
  ): Promise<Outcome> {
    const { by = 1, classify = deliveryOf } = options;
    const account = this.#account(name);
    account.pending += by;
    try {
      const reply = await increment();
      account.acknowledged += by;
      if (this.#keepReplies) {
        account.replies.set(reply, (account.replies.get(reply) ?? 0) + 1);
      }
      return "acknowledged";
    } catch (error) {
      const outcome = this.#classify(account, by, () => classify(error));
      account[outcome] += by;
      return outcome;
    } finally {
      account.pending -= by;
    }
  }

  /** Compares with what the server says of each counter. */
  async verdict(
    applied: (name: string) => number | Promise<number>,
  ): Promise<Verdict> {
    const counters: CounterVerdict[] = [];
    for (const [name, account] of this.#accounts) {
      counters.push(judge(name, account, await applied(name)));
    }
    return total(counters);
  }

  /**
   * Compares, and throws if a counter is wrong.
   *
   * @throws {Error} With the books of each wrong counter.
   */
  async assert(applied: (name: string) => number | Promise<number>): Promise<Verdict> {
    const verdict = await this.verdict(applied);
    if (verdict.ok) return verdict;
    const lines = verdict.counters.filter((counter) => !isRight(counter))
      .map((counter) => `  ${Deno.inspect(counter, { breakLength: Infinity })}`);
    throw new Error(`The books and the server disagree:\n${lines.join("\n")}`);
  }

  #account(name: string): Account {
    const known = this.#accounts.get(name);
    if (known !== undefined) return known;
    const account: Account = {
      acknowledged: 0,
      ambiguous: 0,
      "never-sent": 0,
      rejected: 0,
      pending: 0,
      replies: new Map(),
    };
    this.#accounts.set(name, account);
    return account;
  }

  #classify(account: Account, by: number, classify: () => Delivery): Delivery {
    try {
      return classify();
    } catch (error) {
      account.ambiguous += by;
      throw error;
    }
  }
}

/** What {@linkcode TokenLedger.verdict} found; every list names tokens. */
export interface TokenVerdict {
  /** Whether all lists are empty and nothing is pending. */
  ok: boolean;
  /** Acknowledged and not there. */
  lost: string[];
  /** There more than once. */
  doubles: string[];
  /** There, though reported as never sent or rejected. */
  ghosts: string[];
  /** There, though nobody wrote them. */
  strangers: string[];
  /** Attempts that were never told anything. */
  pending: string[];
  /** Number of ambiguous writes that were done. */
  ambiguousApplied: number;
  /** Number of ambiguous writes that were not done. */
  ambiguousLost: number;
}

/**
 * The exact books: each write carries a token of its own (RPUSH of it, say), so each is
 * judged alone.
 *
 * @example
 * ```ts
 * const ledger = new TokenLedger();
 * await ledger.run((token) => client.rpush("log", token));
 * const verdict = ledger.verdict(await server.cli("LRANGE", "log", 0, -1) as string[]);
 * ```
 */
export class TokenLedger {
  readonly #outcomes = new Map<string, Outcome | "pending">();

  /** Makes one write with a fresh token and notes how it ended, as {@linkcode Ledger.run}. */
  async run(
    write: (token: string) => Promise<unknown>,
    classify: (error: unknown) => Delivery = deliveryOf,
  ): Promise<Outcome> {
    const token = `t${this.#outcomes.size}`;
    this.#outcomes.set(token, "pending");
    try {
      await write(token);
      this.#outcomes.set(token, "acknowledged");
      return "acknowledged";
    } catch (error) {
      this.#outcomes.set(token, "ambiguous");
      const outcome = classify(error);
      this.#outcomes.set(token, outcome);
      return outcome;
    }
  }

  /** Compares with all tokens that the server has, repeated ones as often as they are there. */
  verdict(applied: readonly string[]): TokenVerdict {
    const times = new Map<string, number>();
    for (const token of applied) times.set(token, (times.get(token) ?? 0) + 1);
    const there = [...times.keys()];
    const having = (outcome: Outcome | "pending") =>
      [...this.#outcomes].filter(([, own]) => own === outcome).map(([token]) => token);
    const ambiguous = having("ambiguous");
    const ambiguousApplied = ambiguous.filter((token) => times.has(token)).length;
    const lists = {
      lost: having("acknowledged").filter((token) => !times.has(token)),
      doubles: there.filter((token) => (times.get(token) ?? 0) > 1),
      ghosts: [...having("never-sent"), ...having("rejected")]
        .filter((token) => times.has(token)),
      strangers: there.filter((token) => !this.#outcomes.has(token)),
      pending: having("pending"),
    };
    return {
      ok: Object.values(lists).every((list) => list.length === 0),
      ...lists,
      ambiguousApplied,
      ambiguousLost: ambiguous.length - ambiguousApplied,
    };
  }
}

function judge(name: string, account: Account, applied: number): CounterVerdict {
  const { acknowledged, ambiguous, rejected, pending, replies } = account;
  return {
    name,
    acknowledged,
    ambiguous,
    neverSent: account["never-sent"],
    rejected,
    applied,
    lost: Math.max(0, acknowledged - applied),
    doubles: Math.max(0, applied - acknowledged - ambiguous),
    pending,
    repeatedReplies: [...replies].filter(([, times]) => times > 1).map(([reply]) =>
      reply
    ),
  };
}

function isRight(counter: Omit<CounterVerdict, "name">): boolean {
  // A counter that cannot be read is NaN, which no comparison below would find wrong.
  return Number.isFinite(counter.applied) && counter.lost === 0 &&
    counter.doubles === 0 &&
    counter.pending === 0 && counter.repeatedReplies.length === 0;
}

function total(counters: CounterVerdict[]): Verdict {
  const sum = (key: Exclude<keyof CounterVerdict, "name" | "repeatedReplies">) =>
    counters.reduce((all, counter) => all + counter[key], 0);
  return {
    ok: counters.every(isRight),
    counters,
    acknowledged: sum("acknowledged"),
    ambiguous: sum("ambiguous"),
    neverSent: sum("neverSent"),
    rejected: sum("rejected"),
    applied: sum("applied"),
    lost: sum("lost"),
    doubles: sum("doubles"),
    pending: sum("pending"),
    repeatedReplies: counters.flatMap((counter) => counter.repeatedReplies),
  };
}
