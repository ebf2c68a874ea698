/** The writes of one stretch of a soak, compared with what the server has. */
import type { RespArg } from "../../src/testing/resp_client.ts";
import {
  type Delivery,
  deliveryOf,
  Ledger,
  type Outcome,
  TokenLedger,
} from "../support/accounting.ts";

/** The result of a stretch. */
export interface Balance {
  /** Writes that were acknowledged. */
  acknowledged: number;
  /** Writes that may have been done. */
  ambiguous: number;
  /** Writes that were not done, as their errors say. */
  refused: number;
  /** Writes that were acknowledged and are not there. */
  lost: number;
  /** Writes that are there twice, or though their errors say that they are not. */
  doubles: number;
  /** What is wrong, in words. */
  faults: string[];
  /** What commands about it have in them: keys, and tokens as they are sent. */
  about: string[];
}

/** Asks the server past everything that is broken on purpose. */
export type AskServer = (...command: RespArg[]) => Promise<unknown>;

/** The delivery of a failed write; an error reply is a refusal. */
export function deliveryOfAny(error: unknown): Delivery {
  if (error instanceof Error && error.name === "ReplyError") return "rejected";
  return deliveryOf(error);
}

/** The writes of one stretch. Its keys are its own, so that it is checked when it is over. */
export class WriteLedger {
  /** Counters, by name. */
  readonly #counters = new Ledger();
  /** Each write of the log alone. */
  readonly #log = new TokenLedger();
  /** Each value that was handed to a consumer. */
  readonly #jobs = new TokenLedger();
  readonly #popped: string[] = [];
  /** Values that a consumer's lost reply may have taken along. */
  #popsInDoubt = 0;
  /** Writes by how they ended. */
  readonly #ended: Record<Outcome, number> = {
    acknowledged: 0,
    ambiguous: 0,
    "never-sent": 0,
    rejected: 0,
  };
  readonly #prefix: string;

  /**
   * Creates a ledger.
   *
   * @param prefix What its keys begin with.
   */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** The key of that name. */
  key(name: string): string {
    return `${this.#prefix}:${name}`;
  }

  /** Makes an increment of the counter by `by`. */
  count(
    name: string,
    increment: (key: string) => Promise<unknown>,
    by = 1,
  ): Promise<Outcome> {
    const key = this.key(name);
    const options = { by, classify: deliveryOfAny };
    return this.#note(this.#counters.run(key, () => increment(key), options));
  }

  /** Notes an increment that is over. */
  record(name: string, outcome: Outcome): void {
    this.#counters.record(this.key(name), outcome);
    this.#ended[outcome]++;
  }

  /** Appends to the log. */
  append(write: (key: string, token: string) => Promise<unknown>): Promise<Outcome> {
    const key = this.key("log");
    return this.#note(this.#log.run((token) => write(key, token), deliveryOfAny));
  }

  /** Hands a value to consumers. */
  push(write: (key: string, token: string) => Promise<unknown>): Promise<Outcome> {
    const key = this.key("jobs");
    return this.#note(this.#jobs.run((token) => write(key, token), deliveryOfAny));
  }

  /**
   * Takes a value as a consumer; the pop gives `null` if none came.
   *
   * @param signal Aborts it: a pop that rejects with its reason took nothing.
   */
  async pop(
    take: (key: string) => Promise<string | null>,
    signal?: AbortSignal,
  ): Promise<Outcome> {
    try {
      const token = await take(this.key("jobs"));
      if (token !== null) this.#popped.push(token);
      return "acknowledged";
    } catch (error) {
      if (signal?.aborted && error === signal.reason) return "rejected";
      const delivery = deliveryOfAny(error);
      if (delivery === "ambiguous") this.#popsInDoubt++;
      return delivery;
    }
  }

  /** Compares with the server, once everything has settled, and removes the keys. */
  async close(ask: AskServer): Promise<Balance> {
    const counters = await this.#counters.verdict(async (key) =>
      Number(await ask("GET", key) ?? 0)
    );
    const log = this.#log.verdict(await list(ask, this.key("log")));
    const left = await list(ask, this.key("jobs"));
    const jobs = this.#jobs.verdict([...this.#popped, ...left]);
    const lostJobs = jobs.lost.slice(this.#popsInDoubt);
    const keys = [...counters.counters.map(({ name }) => name), this.key("log")];
    await ask("UNLINK", ...keys, this.key("jobs"));
    const ofCounters = counters.counters.map((
      { name, lost, doubles, pending, repeatedReplies },
    ) => ({
      name,
      faults: [
        ...faultOf(name, "lost", lost),
        ...faultOf(name, "done twice or by nobody", doubles),
        ...faultOf(name, "pending", pending),
        ...faultOf(name, "replies given twice", repeatedReplies.length),
      ],
    }));
    const ofLists = [
      { key: this.key("log"), lists: log },
      { key: this.key("jobs"), lists: { ...jobs, lost: lostJobs } },
    ];
    const faults = [
      ...ofCounters.flatMap((each) => each.faults),
      ...ofLists.flatMap(({ key, lists }) => faultsOf(key, lists)),
    ];
    const about = [
      ...ofCounters.filter((each) => each.faults.length > 0).map(({ name }) => name),
      ...ofLists.flatMap(({ key, lists }) =>
        wrongTokens(lists).map((token) => `${key}\r\n$${token.length}\r\n${token}\r\n`)
      ),
    ];
    const strays = [log, jobs].flatMap(({ doubles, ghosts, strangers }) =>
      [doubles, ghosts, strangers].flat()
    );
    return {
      acknowledged: this.#ended.acknowledged,
      ambiguous: this.#ended.ambiguous + this.#popsInDoubt,
      refused: this.#ended["never-sent"] + this.#ended.rejected,
      lost: counters.lost + log.lost.length + lostJobs.length,
      doubles: counters.doubles + counters.repeatedReplies.length + strays.length,
      faults,
      about,
    };
  }

  async #note(write: Promise<Outcome>): Promise<Outcome> {
    const outcome = await write;
    this.#ended[outcome]++;
    return outcome;
  }
}

async function list(ask: AskServer, key: string): Promise<string[]> {
  const values = await ask("LRANGE", key, 0, -1);
  if (!Array.isArray(values)) throw new Error(`Cannot read ${key}: ${values}`);
  return values.map(String);
}

function faultOf(name: string, what: string, count: number): string[] {
  return count === 0 ? [] : [`${name}: ${count} ${what}`];
}

type Lists = Record<"lost" | "doubles" | "ghosts" | "strangers" | "pending", string[]>;

/** Tokens that are named of each list that should be empty. */
const NAMED = 5;

function faultsOf(name: string, lists: Lists): string[] {
  const { lost, doubles, ghosts, strangers, pending } = lists;
  return Object.entries({ lost, doubles, ghosts, strangers, pending })
    .flatMap(([what, tokens]) =>
      tokens.length === 0
        ? []
        : [`${name}: ${tokens.length} ${what}: ${tokens.slice(0, NAMED).join(", ")}`]
    );
}

function wrongTokens({ lost, doubles, ghosts, strangers, pending }: Lists): string[] {
  return [lost, doubles, ghosts, strangers, pending].flatMap((tokens) =>
    tokens.slice(0, NAMED)
  );
}
