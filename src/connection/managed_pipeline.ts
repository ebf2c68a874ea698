import { CommandRefusedError } from "../core/errors/mod.ts";
import type { ArgumentError } from "./command_arguments.ts";
import { Pipeline } from "./library.ts";
import type { CommandCallback, ManagedCommand } from "./managed_command.ts";

/** A pipeline of the library, with what it types as private. */
interface OpenPipeline {
  /** The client that sends it. */
  readonly redis: { readonly databaseName: string };
  /** Its commands. */
  readonly _queue: readonly ManagedCommand[];
  /** How many MULTI were added whose EXEC was not. */
  readonly _transactions: number;
  exec(callback?: CommandCallback): unknown;
  execBuffer(callback?: CommandCallback): unknown;
}

let methods: object | undefined;

/**
 * Gives a pipeline of the library command methods of our own, and lets it refuse to be sent
 * where one of its commands cannot be: then none is.
 *
 * @param pipeline The pipeline.
 * @param makeMethods Makes the methods that a prototype has not.
 * @param isChain Whether it is a transaction as a whole.
 * @returns The same pipeline.
 */
export function managePipeline<P extends object>(
  pipeline: P,
  makeMethods: (own: object) => object,
  isChain: boolean,
): P {
  const library = Pipeline.prototype;
  methods ??= Object.setPrototypeOf(makeMethods(library), library) as object;
  Object.setPrototypeOf(pipeline, methods);
  const { exec, execBuffer } = pipeline as unknown as OpenPipeline;
  const guard = (run: OpenPipeline["exec"]) =>
    // As many arguments as there are: within a pipeline EXEC is sent with them.
    function (this: OpenPipeline, ...args: [callback?: CommandCallback]) {
      // The first one of a transaction within a pipeline only adds EXEC.
      const isSent = isChain || this._transactions === 0;
      const errors = isSent ? refuse(this) : undefined;
      if (errors === undefined) return run.apply(this, args);
      const outcome = isChain
        ? Promise.reject(errors.find((error) => error instanceof TypeError))
        : Promise.resolve(errors.map((error) => [error]));
      return tell(outcome, ...args);
    };
  return Object.assign(pipeline, { exec: guard(exec), execBuffer: guard(execBuffer) });
}

/** Rejects all commands if one of them cannot be sent; gives what each is told. */
function refuse({ _queue, redis }: OpenPipeline): Error[] | undefined {
  const cause = _queue.find(isUnwritable)?.unwritable;
  if (cause === undefined) return undefined;
  return _queue.map((command) => {
    const error = command.unwritable ?? refusal(redis.databaseName, command.name, cause);
    command.reject(error);
    return error;
  });
}

function isUnwritable({ unwritable }: ManagedCommand): boolean {
  return unwritable !== undefined;
}

/** What is told of a command that could have been sent. */
function refusal(database: string, name: string, cause: ArgumentError): Error {
  const why =
    `nothing of its batch was sent, as it has a command without meaning (${cause.message})`;
  const error = new CommandRefusedError(database, name, why, "a pipeline");
  return Object.assign(error, { cause });
}

function tell(outcome: Promise<unknown>, callback?: CommandCallback): Promise<unknown> {
  if (typeof callback === "function") {
    outcome.then((results) => callback(null, results), (error) => callback(error));
  }
  return outcome;
}
