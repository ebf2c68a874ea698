import { Buffer } from "node:buffer";
import type { KeyPlaces } from "../resilience/extra_commands.ts";
import { libraryKeys } from "./command_flags.ts";
import type { Command } from "./driver.ts";

/** What the client library keeps of a command's keys. */
interface Keyed {
  readonly args: unknown[];
  keys?: unknown[];
}

/** Commands whose keys were put in place: they may be sent again. */
const PLACED = new WeakSet<Command>();

/**
 * Whether the keys of a command that the client library does not know are in place.
 *
 * @param command The command.
 * @returns `true` if {@linkcode placeKeys} was called for it.
 */
export function isPlaced(command: Command): boolean {
  return PLACED.has(command);
}

/**
 * Does for a command that the client library does not know, or misses keys of, what the
 * library does for those that it knows: puts the key prefix before its keys, and notes
 * them.
 *
 * @param command The command, not sent yet; its arguments are texts and Buffers.
 * @param places Where its keys are.
 * @param prefix The key prefix; may be empty.
 */
export function placeKeys(command: Command, places: KeyPlaces, prefix: string): void {
  PLACED.add(command);
  const keyed = command as unknown as Keyed;
  const { args } = keyed;
  const { keys, patterns = [], route } = places;
  if (prefix !== "") {
    const done = libraryKeys(command.name.toLowerCase(), args);
    for (const i of [...keys, ...patterns]) {
      if (i < args.length && !done.includes(i)) args[i] = prefixed(prefix, args[i]);
    }
  }
  const routed = keys.length === 0 && route !== undefined ? [route] : keys;
  keyed.keys = routed.filter((i) => i < args.length).map((i) => args[i]);
}

/**
 * Takes over the keys of a command to a copy of it.
 *
 * @param copy The copy.
 * @param command The command.
 */
export function takePlaces(copy: Command, command: Command): void {
  if (!PLACED.has(command)) return;
  PLACED.add(copy);
  (copy as unknown as Keyed).keys = [...command.getKeys()];
}

function prefixed(prefix: string, key: unknown): unknown {
  return key instanceof Uint8Array
    ? Buffer.concat([Buffer.from(prefix), key])
    : prefix + String(key);
}
