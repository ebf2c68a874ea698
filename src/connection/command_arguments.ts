import { Buffer } from "node:buffer";
import { types } from "node:util";

/** What an argument may be, for messages. */
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

/** Commands that say how many keys follow, and in which argument. A table, as it is asked
 * for each command of a client with a prefix: a pattern takes 5 % of its time. */
const COUNT_AT: ReadonlyMap<string, number> = new Map([
  ...COUNT_FIRST.split(" ").map((name) => [name, 0] as const),
  ...COUNT_SECOND.split(" ").map((name) => [name, 1] as const),
]);

/** An argument that cannot be sent: names the command and the argument, not its value. */
export class ArgumentError extends TypeError {}

/**
 * Checks the name of a command: callers may give any.
 *
 * @param name The name.
 * @throws {ArgumentError} If it is no string.
 */
export function checkName(name: unknown): asserts name is string {
  if (typeof name === "string") return;
  throw new ArgumentError(
    `Cannot write a command: its name is ${describe(name)}; give a string`,
  );
}

/**
 * Makes the arguments of a command what is sent: texts and Buffers.
 *
 * @param name Name of the command.
 * @param args Its arguments, flat; changed in place.
 * @returns Whether there are bytes among them.
 * @throws {ArgumentError} If one is neither a text, a number, a boolean nor bytes.
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

/**
 * Checks the object that a command such as HSET takes in place of pairs: the library would
 * take the elements of a list, or the bytes of a Buffer, for fields.
 *
 * @param name Name of the command.
 * @param args Its arguments, flat, before the object is taken apart.
 * @throws {ArgumentError} If there is something in its place that has no fields.
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

/**
 * Whether a command says that more keys follow than there are arguments: the library would
 * look for all of them, though there be a billion.
 *
 * @param name Name of the command.
 * @param args Its arguments, flat.
 * @returns `true` if it does; servers refuse it.
 */
export function lacksKeys(name: string, args: readonly unknown[]): boolean {
  const at = COUNT_AT.get(name) ?? COUNT_AT.get(name.toLowerCase());
  return at !== undefined && Number(args[at]) > args.length - at - 1;
}

/** What is sent for an argument; `undefined` if nothing can be. */
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

/** The bytes of an argument, of whatever realm; `undefined` if it is none, or was taken. */
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

/** What was found, without its value. */
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
