/**
 * What the programs of this folder have in common: each sets a library up, and works with it
 * while the connections are cut and the server cannot be reached.
 *
 * A program is a process of its own: `program.ts <client> <port>`. It asks for faults on
 * standard output and prints a line with its outcome.
 *
 * @module
 */

import { Redis, type RedisOptions } from "ioredis";
import { RedisConnectionManager } from "../../../../mod.ts";
import { waitFor } from "../../../../src/testing/wait.ts";

/** Options of clients of either kind. */
export type ClientOptions = Omit<RedisOptions, "replyMapping">;

/** Whose clients a library is given: ioredis' own, or the manager's. */
export type ClientKind = "ioredis" | "manager";

/** Numbers of jobs that are not done; failed ones are not either. */
export interface JobCounts {
  readonly active?: number;
  readonly waiting?: number;
  readonly delayed?: number;
  readonly failed?: number;
}

/** How many jobs a queue has that are not done. */
export function countLeft(
  { active = 0, waiting = 0, delayed = 0, failed = 0 }: JobCounts,
): number {
  return active + waiting + delayed + failed;
}

/** What a program asks of the test that runs it. */
export type Request = "cut" | "outage" | "connections";

/** How the line of an outcome begins. */
export const OUTCOME = "outcome ";

/** How the line of a request begins. */
export const REQUEST = "request ";

/** What came of the work that a library was given. */
export interface Outcome {
  /** Tasks that the library took. */
  readonly accepted: number;
  /** Tasks that it took and never did. */
  readonly lost: number;
  /** How often a task was done again that had been done. */
  readonly repeated: number;
  /** Tasks that it refused with an error; whether they were done does not matter. */
  readonly refused: number;
  /** Jobs that were left neither waiting nor done: they would run again later, or never. */
  readonly stuck: number;
  /** The most connections that the server had until the first fault. */
  readonly connections: number;
  /** Why tasks were refused, and how often. */
  readonly reasons: Readonly<Record<string, number>>;
}

/** Keeps count of tasks: what was accepted must be done, and done once. */
export class Ledger {
  readonly #accepted = new Set<string>();
  readonly #done = new Map<string, number>();
  readonly #reasons: Record<string, number> = {};
  #doneCount = 0;

  /** The library took a task. */
  accept(id: string): void {
    this.#accepted.add(id);
  }

  /** The library refused one. */
  refuse(error: unknown): void {
    const reason = error instanceof Error
      ? `${error.name}: ${error.message}`
      : `${error}`;
    this.#reasons[reason] = (this.#reasons[reason] ?? 0) + 1;
  }

  /** A task was done. */
  done(id: string): void {
    this.#doneCount++;
    this.#done.set(id, (this.#done.get(id) ?? 0) + 1);
  }

  /** Tasks that were accepted and not done yet. */
  get open(): string[] {
    return [...this.#accepted].filter((id) => !this.#done.has(id));
  }

  /** Waits until some more tasks are done than were when it was called. */
  async progress(tasks: number, when: string): Promise<void> {
    const goal = this.#doneCount + tasks;
    const what = `${tasks} more tasks to be done ${when}`;
    await waitFor(() => this.#doneCount >= goal, { what, timeoutMs: 60_000 });
  }

  /** Waits until all that was accepted is done, for a while: what is not done then is lost. */
  async settle(): Promise<void> {
    await waitFor(() => this.open.length === 0, { timeoutMs: 20_000 }).catch(() => {});
  }

  /** What came of it all. */
  outcome(connections: number, stuck: number): Outcome {
    let repeated = 0;
    for (const times of this.#done.values()) repeated += times - 1;
    const refused = Object.values(this.#reasons).reduce((sum, count) => sum + count, 0);
    const [accepted, lost] = [this.#accepted.size, this.open.length];
    const reasons = this.#reasons;
    return { accepted, lost, repeated, refused, stuck, connections, reasons };
  }
}

/** What a program is given. */
export interface Stage {
  /** Whose clients {@linkcode Stage.client} makes. */
  readonly kind: ClientKind;
  /** Keeps count of the tasks. */
  readonly ledger: Ledger;
  /** Makes a client for the library, with options as ioredis takes them. */
  client(options?: ClientOptions): Redis;
}

/** A library that is set up. */
export interface Library {
  /** Hands the library one task. */
  work(id: string): Promise<unknown>;
  /**
   * Whether tasks may get lost while connections are, as messages of PUBLISH do; then only
   * those count that are accepted in calm.
   */
  lossy?: boolean;
  /** Milliseconds from one task to the next. Default: 10. */
  everyMs?: number;
  /** Waits for what is still to come when there are no more tasks. */
  finish?(): Promise<void>;
  /** How many jobs are left in whatever state at the end. Default: none. */
  left?(): Promise<number>;
  /** Closes the library, as its documentation says. */
  close(): Promise<unknown>;
}

/** Tasks that have to be done between two faults. */
const TASKS = 40;

async function ask(request: Request): Promise<string> {
  console.log(REQUEST + request);
  const buffer = new Uint8Array(64);
  const length = await Deno.stdin.read(buffer);
  if (length === null) throw new Error("The test is gone");
  return new TextDecoder().decode(buffer.subarray(0, length)).trim();
}

/** Hands a library a task every few milliseconds, whatever becomes of the ones before. */
class Load {
  readonly #library: Library;
  readonly #ledger: Ledger;
  readonly #calls = new Set<Promise<void>>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #lastId = 0;

  constructor(library: Library, ledger: Ledger) {
    this.#library = library;
    this.#ledger = ledger;
  }

  /** Begins, or goes on; `counted` says whether what is accepted has to be done. */
  start(counted: boolean): void {
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#call(counted), this.#library.everyMs ?? 10);
  }

  /** Ends, and waits for the calls under way; some never end on Bottleneck. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await waitFor(() => this.#calls.size === 0, { timeoutMs: 30_000 }).catch(() => {});
  }

  #call(counted: boolean): void {
    const id = String(++this.#lastId);
    const call = this.#library.work(id).then(
      () => counted && this.#ledger.accept(id),
      (error) => this.#ledger.refuse(error),
    ).then(() => void this.#calls.delete(call));
    this.#calls.add(call);
  }
}

/** Jobs that are left when those under way have had time to end. */
async function countStuck(library: Library): Promise<number> {
  let left = 0;
  const isEmpty = async () => (left = await library.left?.() ?? 0) === 0;
  await waitFor(isEmpty, { timeoutMs: 30_000 }).catch(() => {});
  return left;
}

/** What happens to the connections: cuts that meet as many commands under way as may be,
 * and an outage. */
const FAULTS = ["cut", "cut", "cut", "outage"] as const;

/** Works with a library through the faults. */
async function exercise(library: Library, ledger: Ledger): Promise<Outcome> {
  const load = new Load(library, ledger);
  const calm = async (when: string) => {
    load.start(true);
    await ledger.progress(TASKS, when);
    if (!library.lossy) return;
    // A message on its way when the connection is cut is nobody's fault.
    await load.stop();
    await ledger.settle();
    load.start(false);
  };
  if (library.lossy) {
    // Nobody is told when all have subscribed.
    load.start(false);
    await ledger.progress(TASKS, "when all begins");
  }
  await calm("at the start");
  const connections = Number(await ask("connections"));
  for (const fault of FAULTS) {
    await ask(fault);
    await ledger.progress(TASKS, `after the ${fault}`);
  }
  await calm("in the calm after all faults");
  await load.stop();
  await ledger.settle();
  await library.finish?.();
  return ledger.outcome(connections, await countStuck(library));
}

/**
 * Runs a program to its end.
 *
 * @param setUp Sets the library up.
 */
export async function runProgram(
  setUp: (stage: Stage) => Library | Promise<Library>,
): Promise<void> {
  const [kind, port] = Deno.args as [ClientKind, string];
  const address = { host: "127.0.0.1", port: Number(port) };
  const manager = kind === "manager"
    ? new RedisConnectionManager({ ...address, databases: { main: { db: 0 } } })
    : undefined;
  const clients: Redis[] = [];
  const ledger = new Ledger();
  const client = (options: ClientOptions = {}) => {
    const made = manager
      // Libraries are written for clients that send again what was cut.
      ? manager.createClient("main", { autoResendUnfulfilledCommands: true, ...options })
      : new Redis({ ...address, maxRetriesPerRequest: null, ...options });
    // Whoever has no listener gets every lost connection printed.
    made.on("error", () => {});
    clients.push(made);
    return made;
  };
  const library = await setUp({ kind, ledger, client });
  const outcome = await exercise(library, ledger);
  await library.close();
  for (const made of clients) {
    // One that the library is closing already does not take it, and ends all the same.
    if (made.status !== "end") await made.quit().catch(() => {});
  }
  await manager?.closeAll();
  console.log(OUTCOME + JSON.stringify(outcome));
}
