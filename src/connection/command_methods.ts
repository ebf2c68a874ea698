import { ArgumentError, lacksKeys, writeArguments } from "./command_arguments.ts";
import { Redis } from "./library.ts";
import type { IORedisCommand } from "./library_types.ts";
import { type CommandCallback, ManagedCommand } from "./managed_command.ts";
import { managePipeline } from "./managed_pipeline.ts";

/** What command methods stand on: a client, or a pipeline. */
interface Sender {
  readonly options: { readonly keyPrefix?: string };
  sendCommand(command: IORedisCommand): unknown;
}

type Encoding = "utf8" | null;
type Method = (this: Sender, ...args: unknown[]) => unknown;
type Methods = Record<string, Method>;

/** Where the library keeps the methods that do nothing but make a command and send it. */
const LIBRARY: Methods = Object.getPrototypeOf(Redis.prototype);
/** The library's client, whose own methods stay. */
const CLIENT = Redis.prototype as unknown as Methods;

let shared: Methods | undefined;

/**
 * Gives a client the methods that take a caller's arguments: all commands, `call`,
 * pipelines, scripts. They make commands of our own in place of the library's. What the
 * client or the library's client define themselves stays.
 *
 * They stand in one object between the clients and the library's: to add 600 of them to a
 * prototype takes a start one or two milliseconds, to an object that is made one afterwards
 * half of that.
 *
 * @param client The prototype of the client.
 */
export function defineCommandMethods(client: Redis): void {
  if (shared === undefined) {
    shared = { ...makeCommandMethods(CLIENT), ...BATCHES, ...BY_NAME };
    Object.setPrototypeOf(shared, CLIENT);
  }
  Object.setPrototypeOf(client, shared);
}

/** The methods of all commands, but for those that `own` has itself. */
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
  const { keyPrefix } = sender.options;
  const command = new ManagedCommand(name, args, { replyEncoding, keyPrefix }, callback);
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
/** Commands by their names as a caller writes them. */
const CALLS: Methods = { call, callBuffer: callMethod(null), send_command: call };

/** What adds methods by name, to one client. */
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

/** A script's method: the library makes its command, of arguments that are checked here. */
function scriptMethod(name: string, run: Method, numberOfKeys?: number): Method {
  return function (...given) {
    const callback = takeCallback(given);
    const args = given.flat();
    try {
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

type Pipeline = ReturnType<Redis["pipeline"]> & {
  addBatch(commands: unknown[]): unknown;
};

/** What makes pipelines and transaction chains: their methods are ours as well. */
const BATCHES: Methods = {
  pipeline(commands) {
    const pipeline = CLIENT.pipeline!.call(this) as Pipeline;
    return addBatch(managePipeline(pipeline, makeCommandMethods, false), commands);
  },
  multi(commands, options) {
    const chosen = Array.isArray(commands) ? options : options ?? commands;
    const made = CLIENT.multi!.call(this, chosen) as Pipeline;
    if ((chosen as { pipeline?: boolean } | undefined)?.pipeline === false) return made;
    return addBatch(managePipeline(made, makeCommandMethods, true), commands);
  },
};

function addBatch(pipeline: Pipeline, commands: unknown): Pipeline {
  if (Array.isArray(commands)) pipeline.addBatch(commands);
  return pipeline;
}
