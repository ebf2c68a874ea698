import { CommandClassifier } from "../resilience/command_class.ts";
import { exists, getKeyIndexes, hasFlag } from "@ioredis/commands";
import { Buffer } from "node:buffer";
import { types } from "node:util";
import type { KeyPlaces } from "../resilience/extra_commands.ts";
import type { IORedisCommand } from "./ioredis.ts";

/** Allowed arguments, for messages. */
const ALLOWED =
  "a string, a number (not NaN), a bigint, a boolean or bytes (Buffer, typed array, DataView, ArrayBuffer)";

/** Commands that take an object or a Map in place of pairs, and where. */
const RECORD_AT: ReadonlyMap<string, number> = new Map([
  ["mset", 0],
  ["msetnx", 0],
  ["hset", 1],
  ["hmset", 1],
]);

const COUNT_FIRST =
  "lmpop msetex sdiffcard sintercard sunioncard zdiff zinter zintercard zmpop zunion";
const COUNT_SECOND =
  "blmpop bzmpop eval evalsha fcall eval_ro evalsha_ro fcall_ro zdiffstore zinterstore zunionstore";

/** Commands that declare a number of keys, and the index of that argument. A table: it is
 * read for each command of a client with a prefix, where a pattern took 5 % of the time. */
const COUNT_AT: ReadonlyMap<string, number> = new Map([
  ...COUNT_FIRST.split(" ").map((name) => [name, 0] as const),
  ...COUNT_SECOND.split(" ").map((name) => [name, 1] as const),
]);

/** An argument cannot be sent. The message has the command and the index, not the value. */
export class ArgumentError extends TypeError {}

/** Checks the name of a command. */
export function checkName(name: unknown): asserts name is string {
  if (typeof name === "string") return;
  throw new ArgumentError(
    `Cannot write a command: its name is ${describe(name)}; give a string`,
  );
}

/**
 * Converts the arguments of a command to strings and Buffers.
 *
 * @param args Its arguments, flat; changed in place.
 * @returns Whether there are Buffers among them.
 * @throws {ArgumentError} If one is neither a string, a number, a boolean nor bytes.
 */
export function writeArguments(name: string, args: unknown[]): boolean {
  let hasBytes = false;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (typeof arg === "string") continue;
    if (typeof arg === "number" && Number.isSafeInteger(arg)) {
      args[i] = String(arg);
      continue;
    }
    const written = writeArgument(arg);
    if (written === undefined) throw refusal(name, i, arg, ALLOWED);
    if (typeof written !== "string") hasBytes = true;
    args[i] = written;
  }
  return hasBytes;
}

/** Puts an empty string in place of each null and undefined, as ioredis does. */
export function fillNullish(args: unknown[]): void {
  for (let i = 0; i < args.length; i++) args[i] ??= "";
}

/**
 * Checks the object that a command such as HSET accepts in place of pairs: ioredis would
 * take the elements of a list, or the bytes of a Buffer, for fields.
 *
 * @throws {ArgumentError} If the argument has no fields.
 */
export function checkRecord(name: string, args: readonly unknown[]): void {
  const at = RECORD_AT.get(name);
  if (at === undefined || args.length !== at + 1) return;
  const record = args[at];
  if (typeof record !== "object" || record === null || record instanceof Map) return;
  if (!Array.isArray(record) && !isBytes(record)) {
    const prototype = Object.getPrototypeOf(record);
    if (prototype === Object.prototype || prototype === null) return;
    // An object of a class, but none such as a Date, which has nothing to send.
    if (Object.keys(record).length > 0) return;
  }
  throw refusal(name, at, record, "an object or a Map with fields");
}

/** Whether a command declares more keys than it has arguments: ioredis would look for all
 * of them, though there be a billion. Servers refuse such a command. */
export function lacksKeys(name: string, args: readonly unknown[]): boolean {
  const at = COUNT_AT.get(name) ?? COUNT_AT.get(name.toLowerCase());
  return at !== undefined && Number(args[at]) > args.length - at - 1;
}

/** The form in which an argument is sent; `undefined` if it cannot be sent. */
function writeArgument(arg: unknown): string | Buffer | undefined {
  switch (typeof arg) {
    case "number":
      if (Number.isNaN(arg)) return undefined;
      // Not 1e+21, which servers do not take for an integer.
      return Number.isInteger(arg) ? BigInt(arg).toString() : String(arg);
    case "bigint":
    case "boolean":
      return String(arg);
    case "object":
      if (arg instanceof ArgumentError) throw arg;
      return arg === null ? undefined : bytesOf(arg);
    default:
      return undefined;
  }
}

/** The bytes of an argument, of any realm; `undefined` if it has none, or was transferred. */
function bytesOf(arg: object): Buffer | undefined {
  if (arg instanceof Buffer && arg.byteLength > 0) return arg;
  if (ArrayBuffer.isView(arg)) {
    const { buffer, byteLength, byteOffset } = arg;
    return byteLength === 0 && isDetached(buffer)
      ? undefined
      : readBytes(buffer, byteOffset, byteLength);
  }
  if (!types.isAnyArrayBuffer(arg) || isDetached(arg)) return undefined;
  return readBytes(arg, 0, arg.byteLength);
}

function readBytes(buffer: ArrayBufferLike, offset: number, length: number): Buffer {
  const bytes = Buffer.from(buffer as ArrayBuffer, offset, length);
  // Another thread may change it before it is written.
  return types.isSharedArrayBuffer(buffer) ? Buffer.from(bytes) : bytes;
}

/** Whether the bytes were handed to another thread: what is left looks empty. */
function isDetached(buffer: ArrayBufferLike): boolean {
  return (buffer as { detached?: boolean }).detached === true;
}

function isBytes(value: object): boolean {
  return ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value);
}

function refusal(
  name: string,
  index: number,
  found: unknown,
  allowed: string,
): ArgumentError {
  return new ArgumentError(
    `Cannot write ${name.toUpperCase()}: argument ${index + 1} is ${
      describe(found)
    }; give ${allowed}`,
  );
}

/** Describes an argument without its value. */
function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "number") return Number.isNaN(value) ? "NaN" : "a number";
  if (typeof value !== "object") return `a ${typeof value}`;
  if (isBytes(value)) return "bytes that were transferred, or not expected here";
  if (Array.isArray(value)) return "an array within an array";
  const kind = kindOf(value);
  return kind === "Object" ? "an object" : `an object (${kind})`;
}

function kindOf(value: object): string {
  try {
    return Object.prototype.toString.call(value).slice(8, -1);
  } catch {
    return "Proxy";
  }
}

/** Private state of an ioredis command: its keys. */
interface KeyState {
  readonly args: unknown[];
  keys?: unknown[];
}

/** Commands whose keys were noted by {@linkcode placeKeys}: they may be resent. */
const PLACED = new WeakSet<IORedisCommand>();

/** Whether {@linkcode placeKeys} was called for a command. */
export function isPlaced(command: IORedisCommand): boolean {
  return PLACED.has(command);
}

/**
 * Does for a command that ioredis does not know, or misses keys of, what ioredis does for
 * those that it knows: puts the key prefix before its keys, and notes them.
 *
 * @param command The command, not sent yet; its arguments are strings and Buffers.
 * @param places Indexes of its keys.
 * @param prefix The key prefix; may be empty.
 */
export function placeKeys(
  command: IORedisCommand,
  places: KeyPlaces,
  prefix: string,
): void {
  PLACED.add(command);
  const state = command as unknown as KeyState;
  const { args } = state;
  const { keys, patterns = [], route } = places;
  if (prefix !== "") {
    const done = libraryKeys(command.name.toLowerCase(), args);
    for (const i of [...keys, ...patterns]) {
      if (i < args.length && !done.includes(i)) args[i] = prefixed(prefix, args[i]);
    }
  }
  const routed = keys.length === 0 && route !== undefined ? [route] : keys;
  state.keys = routed.filter((i) => i < args.length).map((i) => args[i]);
}

/** Copies noted keys to a copy of a command. */
export function copyKeys(copy: IORedisCommand, command: IORedisCommand): void {
  if (!PLACED.has(command)) return;
  PLACED.add(copy);
  (copy as unknown as KeyState).keys = [...command.getKeys()];
}

function prefixed(prefix: string, key: unknown): unknown {
  return key instanceof Uint8Array
    ? Buffer.concat([Buffer.from(prefix), key])
    : prefix + String(key);
}

/** The flags of Redis that decide how a command is treated. */
const FLAGS = ["readonly", "write", "blocking", "admin", "pubsub", "noscript"] as const;

/** Flags of a command from the metadata of ioredis; `undefined` if it is not in there. */
export function flagsOf(name: string): readonly string[] | undefined {
  return exists(name) ? FLAGS.filter((flag) => hasFlag(name, flag)) : undefined;
}

/** Indexes of the keys that ioredis found, and put the key prefix before. */
function libraryKeys(name: string, args: readonly unknown[]): readonly number[] {
  // It accepts bytes as well; its types have strings only.
  return exists(name) ? getKeyIndexes(name, args as string[]).flat() : [];
}

/** Classifies commands, for every database. */
export const classifier: CommandClassifier = new CommandClassifier(flagsOf);
