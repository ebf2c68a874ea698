import {
  type IORedis,
  type IORedisCommand,
  type IORedisPipeline,
  isReplyError,
} from "../connection/ioredis.ts";
import {
  type BatchResult,
  ConnectionLostError,
  type Delivery,
  PipelineError,
  RedisManagerError,
} from "../core/errors/mod.ts";
import { checkNames } from "./call_options.ts";
import { type BatchParts, pick, Recorder } from "./recorder.ts";

/** How a pipeline reports its outcome. To run writes once: `client.with({ once: true })
 * .pipeline()`. */
export interface PipelineOptions {
  /** `true` gives what became of each command instead of throwing. Default `false`. */
  settle?: boolean;
}

/**
 * Adds the commands of a pipeline. The second argument has the same commands, each
 * giving the promise of its reply: a callback that returns an array of them gets their
 * replies, typed one by one. They are sent when the callback is over, so that they must
 * not be awaited in it.
 */
export type PipelineFill<R> = (pipeline: IORedisPipeline, typed: IORedis) => R;

/**
 * What a pipeline or a transaction gives for what its callback returned: the replies of the
 * promises in a returned array, typed; else every reply, in order.
 */
export type PipelineReplies<R> = Awaited<R> extends readonly Promise<void>[] ? unknown[]
  : Awaited<R> extends infer T extends readonly Promise<unknown>[]
    ? { -readonly [K in keyof T]: Awaited<T[K]> }
  : unknown[];

/** What a pipeline needs of its database. */
export interface PipelineParts extends BatchParts {
  /** Sends commands together, one after the other. */
  readonly send: (commands: readonly IORedisCommand[]) => void;
}

/**
 * Commands that are handed to the connection together. Two such chunks are in flight at
 * most: enough to keep the server busy, and little for other callers to wait behind.
 */
const CHUNK_COMMANDS = 1000;
/** Text of the arguments, in characters or bytes, at which a chunk ends before that. */
const CHUNK_LENGTH = 1024 * 1024;

/**
 * Fills a pipeline and sends it, in chunks of 1,000 commands or 1 MiB.
 *
 * Commands go out and run in order. Commands of other callers may come in between: use a
 * transaction for what must run at once. If the connection is lost, what was not handed to
 * it is not sent any more.
 */
export async function runPipeline(
  parts: PipelineParts,
  fill: PipelineFill<unknown>,
  options: PipelineOptions,
): Promise<unknown[]> {
  checkNames(options, "run a pipeline", ["settle"]);
  const { config: { name: database }, observer } = parts;
  const recorder = new Recorder(parts, "pipeline");
  const chosen = await record(recorder, fill).catch((error) => {
    // Promises that the callback has got must not stay pending.
    recorder.reject(error);
    throw error;
  });
  const end = observer?.batch(recorder.commands, "PIPELINE");
  const outcome = new Outcome(database, recorder.commands);
  await sendInChunks(parts, recorder.commands, outcome);
  const { firstError } = outcome;
  end?.(firstError);
  if (options.settle === true) return outcome.results();
  if (firstError !== undefined) throw new PipelineError(database, outcome.results());
  return pick(outcome.replies, chosen);
}

/** Runs the callback; gives the places of the replies that it wants, if it says which. */
async function record(
  recorder: Recorder,
  fill: PipelineFill<unknown>,
): Promise<number[] | undefined> {
  const filling = fill(recorder.chain, recorder.typed);
  if (recorder.isTyped && isThenable(filling)) {
    filling.then(() => {}, () => {});
    throw recorder.refusal(
      "await",
      "what the typed commands give is there when the callback is over, so it must not " +
        "be async: return the promises",
    );
  }
  return await recorder.finish(await filling);
}

async function sendInChunks(
  parts: PipelineParts,
  commands: IORedisCommand[],
  outcome: Outcome,
): Promise<void> {
  let before: Promise<unknown> = Promise.resolve();
  for (let start = 0; start < commands.length;) {
    const end = endOfChunk(commands, start);
    const chunk = commands.slice(start, end);
    const settled = outcome.follow(chunk, start);
    parts.send(chunk);
    start = end;
    await before;
    if (outcome.isCut) outcome.neverSent(start);
    if (outcome.isCut) return void await settled;
    before = settled;
  }
  await before;
}

/** Index behind the last command of the chunk that begins at `start`. */
function endOfChunk(commands: readonly IORedisCommand[], start: number): number {
  const most = Math.min(commands.length, start + CHUNK_COMMANDS);
  let length = 0;
  let end = start;
  for (; end < most && length < CHUNK_LENGTH; end++) {
    for (const arg of commands[end]!.args) length += (arg as string).length ?? 0;
  }
  return end;
}

/** What became of each command so far. */
class Outcome {
  readonly replies: unknown[];
  readonly #database: string;
  /** Those that are not answered: an answered one is let go, its arguments with it. */
  readonly #commands: (IORedisCommand | undefined)[];
  readonly #failures = new Map<number, { error: Error; delivery: Delivery }>();
  /** Whether the connection failed: what has not been sent must not be any more. */
  isCut = false;

  constructor(database: string, commands: (IORedisCommand | undefined)[]) {
    this.#database = database;
    this.#commands = commands;
    this.replies = new Array(commands.length);
  }

  /** The error of the first command that failed. */
  get firstError(): Error | undefined {
    let first = Infinity;
    for (const i of this.#failures.keys()) if (i < first) first = i;
    return this.#failures.get(first)?.error;
  }

  /** Takes the replies of commands, the first of which is at `start`. */
  follow(commands: readonly IORedisCommand[], start: number): Promise<unknown> {
    const settled = commands.map(({ promise }, i) =>
      promise.then((reply) => {
        this.replies[start + i] = reply;
        this.#commands[start + i] = undefined;
      }, (error: Error) => {
        if (!isReplyError(error)) this.isCut = true;
        this.#commands[start + i] = undefined;
        this.#failures.set(start + i, { error, delivery: deliveryOf(error) });
      })
    );
    return Promise.all(settled);
  }

  /** The commands from `start` on were not sent. */
  neverSent(start: number): void {
    const reason = "under a command of the pipeline before it";
    for (let i = start; i < this.#commands.length; i++) {
      const command = this.#commands[i]!;
      const { name } = command;
      const error = new ConnectionLostError(this.#database, name, "never-sent", reason);
      this.#failures.set(i, { error, delivery: "never-sent" });
      // Its promise may have been given out.
      command.promise.catch(() => {});
      command.reject(error);
    }
  }

  results(): BatchResult[] {
    return Array.from(this.replies, (value, i) => {
      const failure = this.#failures.get(i);
      return failure === undefined ? { ok: true, value } : { ok: false, ...failure };
    });
  }
}

/** What is known of a command that failed with an error. */
export function deliveryOf(error: Error): Delivery {
  if (isReplyError(error)) return "rejected";
  // Of an error that does not say so nothing is known.
  return (error instanceof RedisManagerError ? error.delivery : undefined) ?? "ambiguous";
}

function isThenable(value: unknown): value is Promise<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}
