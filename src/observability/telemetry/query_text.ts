import type { ObservedCommand } from "./observer.ts";
import type { QueryText } from "./options.ts";

/** Most characters of a text. */
const MAX_TEXT = 1024;
/** Most characters of one argument. */
const MAX_ARGUMENT = 128;
/** What stands for an argument that is not told. */
const MASK = "?";
/** Commands whose arguments may hold passwords. */
const SECRETIVE: ReadonlySet<string> = new Set([
  "ACL",
  "AUTH",
  "CONFIG",
  "HELLO",
  "MIGRATE",
]);

function writeArgument(arg: unknown): string {
  if (arg instanceof Uint8Array) return `<${arg.byteLength} bytes>`;
  const text = String(arg);
  if (text.length > MAX_ARGUMENT) {
    return JSON.stringify(`${text.slice(0, MAX_ARGUMENT)}…`);
  }
  return /^[^\s"'\\\p{Cc}]+$/u.test(text) ? text : JSON.stringify(text);
}

/** Which arguments are shown. */
function visibility(
  command: ObservedCommand,
  how: QueryText,
): (arg: unknown) => boolean {
  if (how === "masked" || SECRETIVE.has(command.name.toUpperCase())) return () => false;
  if (how === "full") return () => true;
  // What is the same text as a key is told with the key anyway.
  const keys = new Set(command.getKeys());
  return (arg) => keys.has(arg);
}

/**
 * A command as one would type it.
 *
 * @param command The command.
 * @param how What is told of its arguments.
 * @returns Text such as `SET user:1 ?`.
 */
export function writeQueryText(command: ObservedCommand, how: QueryText): string {
  const isShown = visibility(command, how);
  let text = command.name.toUpperCase();
  for (const arg of command.args) {
    text += ` ${isShown(arg) ? writeArgument(arg) : MASK}`;
    if (text.length > MAX_TEXT) return `${text.slice(0, MAX_TEXT)}…`;
  }
  return text;
}

/**
 * The commands of a batch, one after the other.
 *
 * @param commands The commands.
 * @param how What is told of their arguments.
 * @returns Their texts, separated as the conventions say.
 */
export function writeBatchText(
  commands: readonly ObservedCommand[],
  how: QueryText,
): string {
  let text = "";
  for (const command of commands) {
    text += `${text === "" ? "" : "; "}${writeQueryText(command, how)}`;
    if (text.length > MAX_TEXT) return `${text.slice(0, MAX_TEXT)}…`;
  }
  return text;
}
