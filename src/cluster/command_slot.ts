import { findCrossSlot, keySlot, type PlacedKey } from "./slots.ts";

/** What of a command says where it belongs. */
export interface KeyedCommand {
  /** Its name, in any case. */
  readonly name: string;
  /** Its keys as they are sent, the prefix included; none if they are not known. */
  getKeys(): readonly (string | Uint8Array)[];
}

/**
 * The slot of a command: that of its first key. A server refuses a command whose keys are
 * in several.
 *
 * @param command The command.
 * @returns The slot; `undefined` if it has no key, or none that is known.
 *
 * @example Usage
 * ```ts
 * import { commandSlot } from "./command_slot.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(commandSlot({ name: "get", getKeys: () => ["foo"] }), 12182);
 * assertEquals(commandSlot({ name: "ping", getKeys: () => [] }), undefined);
 * ```
 */
export function commandSlot(command: KeyedCommand): number | undefined {
  const [key] = command.getKeys();
  return key === undefined ? undefined : keySlot(key);
}

/** Commands of a batch that have to stay together. */
export interface BatchPart<C extends KeyedCommand> {
  /** The commands, in order. */
  readonly commands: readonly C[];
  /** Their slot; `undefined` if no key of theirs is known. */
  readonly slot: number | undefined;
  /** Two keys of one transaction that are in different slots: it cannot run. */
  readonly crossSlot?: readonly [PlacedKey, PlacedKey];
}

/**
 * Takes a batch apart: each command by itself, but a transaction from MULTI to EXEC or
 * DISCARD as a whole.
 *
 * @param batch The commands, in order.
 * @returns The parts, in order.
 *
 * @example Usage
 * ```ts
 * import { partsOf } from "./command_slot.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const command = (name: string, ...keys: string[]) => ({ name, getKeys: () => keys });
 * const batch = [command("multi"), command("get", "foo"), command("exec")];
 * const [part] = partsOf([...batch, command("get", "bar")]);
 * assertEquals([part!.commands.length, part!.slot], [3, 12182]);
 * ```
 */
export function partsOf<C extends KeyedCommand>(batch: readonly C[]): BatchPart<C>[] {
  const parts: BatchPart<C>[] = [];
  let transaction: C[] | undefined;
  for (const command of batch) {
    const name = command.name.toLowerCase();
    if (name === "multi") transaction = [];
    if (transaction === undefined) {
      parts.push({ commands: [command], slot: commandSlot(command) });
      continue;
    }
    transaction.push(command);
    if (name !== "exec" && name !== "discard") continue;
    parts.push(transactionPart(transaction));
    transaction = undefined;
  }
  if (transaction !== undefined) parts.push(transactionPart(transaction));
  return parts;
}

function transactionPart<C extends KeyedCommand>(commands: readonly C[]): BatchPart<C> {
  const keys = commands.flatMap((command) => command.getKeys());
  const [key] = keys;
  const slot = key === undefined ? undefined : keySlot(key);
  const crossSlot = findCrossSlot(keys);
  return { commands, slot, ...(crossSlot === undefined ? {} : { crossSlot }) };
}

/**
 * Two keys in different slots, in words.
 *
 * @param placed The keys and their slots.
 * @returns Text that names both, and what to do about it.
 *
 * @example Usage
 * ```ts
 * import { crossSlotText } from "./command_slot.ts";
 * import { findCrossSlot } from "./key_slot.ts";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const text = crossSlotText(findCrossSlot(["foo", "bar"])!);
 * assertStringIncludes(text, '"foo" is in slot 12182 and "bar" in slot 5061');
 * ```
 */
export function crossSlotText([a, b]: readonly [PlacedKey, PlacedKey]): string {
  return `its keys have to be in one slot, but ${keyText(a.key)} is in slot ${a.slot} ` +
    `and ${keyText(b.key)} in slot ${b.slot}; a common {tag} in them puts them together`;
}

/** Longest part of a key that a message shows, in characters. */
const MAX_KEY_TEXT = 100;

const decoder = new TextDecoder();

function keyText(key: string | Uint8Array): string {
  const text = typeof key === "string" ? key : decoder.decode(key);
  return JSON.stringify(
    text.length <= MAX_KEY_TEXT ? text : `${text.slice(0, MAX_KEY_TEXT)}…`,
  );
}
