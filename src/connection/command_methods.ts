import { CommandRefusedError } from "../core/errors/mod.ts";
import {
  ArgumentError,
  fillNullish,
  lacksKeys,
  writeArguments,
} from "./command_arguments.ts";
import { type Command, type IORedisCommand, Pipeline, Redis } from "./ioredis.ts";
import {
  type CommandCallback,
  LibraryCommand,
  ManagedCommand,
} from "./managed_command.ts";

/** Key of the option by which null and undefined are sent as empty strings, as plain ioredis
 * sends them. Without it they are refused. */
export const SENDS_NULLISH: unique symbol = Symbol("sends null and undefined");

/** What the command methods are called on: a client, or a pipeline. */
interface Sender {
  readonly options: { readonly keyPrefix?: string; readonly [SENDS_NULLISH]?: boolean };
  sendCommand(command: IORedisCommand): unknown;
}

type Encoding = "utf8" | null;
type Method = (this: Sender, ...args: unknown[]) => unknown;
type Methods = Record<string, Method>;

/** The methods of ioredis that only make a command and send it. */
const LIBRARY: Methods = Object.getPrototypeOf(Redis.prototype);
/** The client of ioredis, whose own methods are kept. */
const CLIENT = Redis.prototype as unknown as Methods;

let shared: Methods | undefined;

/**
 * Replaces the methods that take a caller's arguments: all commands, `call`, pipelines,
 * scripts. The new ones make a {@linkcode ManagedCommand}. Methods that the client class or
 * the client of ioredis define themselves are kept.
 *
 * The methods are on one object between the prototypes: adding 600 of them to a prototype is
 * slower than to an object that becomes one afterwards.
 *
 * @param client The prototype of the client class.
 */
export function defineCommandMethods(client: Redis): void {
  if (shared === undefined) {
    // Not spread into a new object: that takes 2 ms of a start, this a few tenths.
    shared = Object.assign(makeCommandMethods(CLIENT), BATCHES, BY_NAME);
    Object.setPrototypeOf(shared, CLIENT);
  }
  Object.setPrototypeOf(client, shared);
}

/** The methods of all commands, except those that `own` has itself. */
function makeCommandMethods(own: object): Methods {
  const methods: Methods = {};
  const define = (method: string, name: string, encoding: Encoding) => {
    if (LIBRARY[method] === undefined || Object.hasOwn(own, method)) return;
    methods[method] = commandMethod(name, encoding);
  };
  for (const name of Redis.prototype.getBuiltinCommands()) {
    define(name, name, "utf8");
    define(`${name}Buffer`, name, null);
  }
  return Object.assign(methods, CALLS);
}

function commandMethod(name: string, encoding: Encoding): Method {
  return function (...args) {
    return send(this, name, args, encoding);
  };
}

function send(sender: Sender, name: string, args: unknown[], replyEncoding: Encoding) {
  const callback = takeCallback(args);
  const { keyPrefix, [SENDS_NULLISH]: sendsNullish } = sender.options;
  // An object may have elements that are null.
  const mayBeNullish = (arg: unknown) => arg === undefined || typeof arg === "object";
  const isLibrarys = sendsNullish === true && args.some(mayBeNullish);
  const Kind = isLibrarys ? LibraryCommand : ManagedCommand;
  const command = new Kind(name, args, { replyEncoding, keyPrefix }, callback);
  return sender.sendCommand(command as unknown as IORedisCommand);
}

function takeCallback(args: unknown[]): CommandCallback | undefined {
  const isLast = typeof args[args.length - 1] === "function";
  return isLast ? args.pop() as CommandCallback : undefined;
}

function callMethod(encoding: Encoding): Method {
  return function (name, ...args) {
    return send(this, name as string, args, encoding);
  };
}

const call = callMethod("utf8");
/** Methods that take the name of the command. */
const CALLS: Methods = { call, callBuffer: callMethod(null), send_command: call };

/** Methods that define other methods. */
const BY_NAME: Methods = {
  createBuiltinCommand(name) {
    return {
      string: commandMethod(name as string, "utf8"),
      buffer: commandMethod(name as string, null),
    };
  },
  addBuiltinCommand(name) {
    LIBRARY.addBuiltinCommand!.call(this, name);
    Object.assign(this, {
      [name as string]: commandMethod(name as string, "utf8"),
      [`${name}Buffer`]: commandMethod(name as string, null),
    });
  },
  defineCommand(name, definition) {
    LIBRARY.defineCommand!.call(this, name, definition);
    const methods = this as unknown as Methods;
    const { numberOfKeys: keys } = definition as { numberOfKeys?: number };
    for (const method of [name as string, `${name}Buffer`]) {
      methods[method] = scriptMethod(name as string, methods[method]!, keys);
    }
  },
};

/** The method of a script: checks the arguments; ioredis makes the command. */
function scriptMethod(name: string, run: Method, numberOfKeys?: number): Method {
  return function (...given) {
    const callback = takeCallback(given);
    const args = given.flat();
    try {
      if (this.options[SENDS_NULLISH]) fillNullish(args);
      writeArguments(name, args);
      const counted = typeof numberOfKeys === "number" ? [numberOfKeys, ...args] : args;
      if (lacksKeys("evalsha", [name, ...counted])) {
        throw new ArgumentError(`Cannot write ${name}: it has fewer arguments than keys`);
      }
    } catch (error) {
      return send(this, name, callback ? [error, callback] : [error], "utf8");
    }
    return run.apply(this, callback === undefined ? args : [...args, callback]);
  };
}

/** A pipeline of ioredis, with the members that it types as private. */
interface OpenPipeline {
  /** The client that sends it. */
  readonly redis: { readonly databaseName: string };
  /** Its commands. */
  readonly _queue: readonly ManagedCommand[];
  /** How many MULTI were added whose EXEC was not. */
  readonly _transactions: number;
  addBatch(commands: unknown[]): unknown;
  exec(callback?: CommandCallback): unknown;
  execBuffer(callback?: CommandCallback): unknown;
}

/** Methods that make pipelines and transactions, whose methods are replaced as well. */
const BATCHES: Methods = {
  pipeline(commands) {
    return managePipeline(CLIENT.pipeline!.call(this) as OpenPipeline, commands, false);
  },
  multi(commands, options) {
    const chosen = Array.isArray(commands) ? options : options ?? commands;
    const made = CLIENT.multi!.call(this, chosen) as OpenPipeline;
    if ((chosen as { pipeline?: boolean } | undefined)?.pipeline === false) return made;
    return managePipeline(made, commands, true);
  },
};

let pipelineMethods: object | undefined;

/**
 * Replaces the methods of a pipeline. A pipeline with a command that cannot be sent is
 * refused as a whole.
 *
 * @param commands Commands to add, if it is a list.
 * @param isTransaction Whether the pipeline is one transaction.
 */
function managePipeline(
  pipeline: OpenPipeline,
  commands: unknown,
  isTransaction: boolean,
): OpenPipeline {
  const library = Pipeline.prototype;
  pipelineMethods ??= Object.setPrototypeOf(
    makeCommandMethods(library),
    library,
  ) as object;
  Object.setPrototypeOf(pipeline, pipelineMethods);
  const guard = (run: OpenPipeline["exec"]) =>
    // As many arguments as there are: within a pipeline EXEC is sent with them.
    function (this: OpenPipeline, ...args: [callback?: CommandCallback]) {
      // The first one of a transaction within a pipeline only adds EXEC.
      const isSent = isTransaction || this._transactions === 0;
      const errors = isSent ? refuse(this) : undefined;
      if (errors === undefined) return run.apply(this, args);
      const outcome: Promise<unknown> = isTransaction
        ? Promise.reject(errors.find((error) => error instanceof TypeError))
        : Promise.resolve(errors.map((error) => [error]));
      const [callback] = args;
      if (typeof callback === "function") {
        outcome.then((results) => callback(null, results), callback);
      }
      return outcome;
    };
  const { exec, execBuffer } = pipeline;
  Object.assign(pipeline, { exec: guard(exec), execBuffer: guard(execBuffer) });
  if (Array.isArray(commands)) pipeline.addBatch(commands);
  return pipeline;
}

/** Rejects all commands of a pipeline if one of them cannot be sent. Returns their errors. */
function refuse({ _queue, redis }: OpenPipeline): Error[] | undefined {
  const cause = _queue.find(({ unwritable }) => unwritable !== undefined)?.unwritable;
  if (cause === undefined) return undefined;
  const why =
    `nothing of its batch was sent, as it has a command without meaning (${cause.message})`;
  return _queue.map((command) => {
    const { name, unwritable } = command;
    const refusal = () =>
      new CommandRefusedError(redis.databaseName, name, why, "a pipeline");
    const error = unwritable ?? Object.assign(refusal(), { cause });
    command.reject(error);
    return error;
  });
}

/** Node-style callback of `monitor()`. */
type Callback = (error: Error | null, redis?: Redis) => void;

/** Handles what a client is called for, in place of ioredis; methods that are absent are
 * left to ioredis. */
export interface ClientHandler {
  /** Name of the database. */
  readonly database: string;
  /** Sends a command; returns its promise. */
  clientSends(command: Command): unknown;
  /** Ends the connection. */
  clientDisconnects?(): void;
  /** Runs MONITOR on this connection; ioredis would open another. */
  clientMonitors?(): Promise<void>;
  /** Throws if the client must not be copied. */
  refuseDuplicate?(): void;
}

/** Key of a client's handler: not a private field, as clients of leases are proxies. */
const HANDLER = Symbol("handler");

/** The client class of connections. It delegates to its handler, so that no client needs
 * closures of its own. */
export class PassiveClient extends Redis {
  [HANDLER]: ClientHandler | undefined = undefined;

  /** Name of the database; empty without a handler. */
  get databaseName(): string {
    return this[HANDLER]?.database ?? "";
  }

  override sendCommand(command: Command, stream?: unknown): unknown {
    const handler = this[HANDLER];
    // Pipelines of ioredis pass a stream; the coalescer batches just as well.
    if (handler !== undefined) return handler.clientSends(command);
    return super.sendCommand(command, stream as Parameters<Redis["sendCommand"]>[1]);
  }

  override disconnect(reconnect?: boolean): void {
    const handler = this[HANDLER];
    if (handler?.clientDisconnects === undefined) super.disconnect(reconnect);
    else handler.clientDisconnects();
  }

  override duplicate(override?: Parameters<Redis["duplicate"]>[0]): Redis {
    this[HANDLER]?.refuseDuplicate?.();
    return super.duplicate(override);
  }

  override monitor(callback?: Callback): Promise<Redis> {
    const handler = this[HANDLER];
    if (handler?.clientMonitors === undefined) return super.monitor(callback as never);
    const monitoring = handler.clientMonitors().then(() => this);
    if (callback !== undefined) {
      monitoring.then((client) => callback(null, client), callback);
    }
    return monitoring;
  }
}

defineCommandMethods(PassiveClient.prototype);

/** Sets what handles a client's calls; `undefined` leaves them to ioredis. */
export function setHandler(redis: Redis, handler: ClientHandler | undefined): void {
  (redis as PassiveClient)[HANDLER] = handler;
}
