import { isPlaced, placeKeys } from "../connection/command_keys.ts";
import type { Command } from "../connection/driver.ts";
import { CommandRefusedError } from "../core/errors/mod.ts";
import type { CommandInfo } from "../resilience/command_class.ts";
import type { KeyPlaces } from "../resilience/extra_commands.ts";
import type { KeyFinder } from "./key_finder.ts";

/** What a placer needs. */
export interface KeyPlacerOptions {
  /** Name of the database. */
  readonly database: string;
  /** What is put before each key; may be empty, in a cluster. */
  readonly keyPrefix: string;
  /** Finds keys. */
  readonly finder: Pick<KeyFinder, "find">;
}

const WITH_PREFIX =
  "use a database without key_prefix for it, and write its keys in full";
const IN_CLUSTER = "use a lease of manager.acquire(database, { key }) for it";
const ASK_FIRST = "call it on the client once, which asks the server";

/**
 * Puts the key prefix before the keys of commands that the client library does not know,
 * and notes the keys, which say where a command goes in a cluster.
 */
export class KeyPlacer {
  readonly #options: KeyPlacerOptions;

  /**
   * Makes a placer.
   *
   * @param options What it needs.
   */
  constructor(options: KeyPlacerOptions) {
    this.#options = options;
  }

  /**
   * Puts the keys of a command in place.
   *
   * @param command The command, not sent yet.
   * @param info What is known of it.
   * @returns `true` if they are in place, `false` if the server has to be asked first.
   * @throws {CommandRefusedError} If the call would reach keys outside of the prefix.
   */
  place(command: Command, info: CommandInfo): boolean {
    if (info.keys === "library" || isPlaced(command)) return true;
    const { finder, keyPrefix } = this.#options;
    const places = finder.find(info, command.args);
    if (places === undefined) return false;
    this.#check(command, places);
    placeKeys(command, places, keyPrefix);
    return true;
  }

  /**
   * The same where the server cannot be asked first.
   *
   * @param command The command, not sent yet.
   * @param info What is known of it.
   * @param where Where it was called, for messages.
   * @throws {CommandRefusedError} If it cannot be placed.
   */
  placeNow(command: Command, info: CommandInfo, where: string): void {
    if (this.place(command, info)) return;
    throw this.refusal(
      command,
      `which of its arguments are keys: ${ASK_FIRST}, or`,
      where,
    );
  }

  /**
   * Why a command may not be sent whose keys nobody knows.
   *
   * @param command The command.
   * @param why What is not known, in words, up to the advice.
   * @param where Where it was called. Default: on the client.
   * @returns The error.
   */
  refusal(command: Command, why: string, where?: string): CommandRefusedError {
    const { database, keyPrefix } = this.#options;
    const advice = keyPrefix === "" ? IN_CLUSTER : WITH_PREFIX;
    return new CommandRefusedError(
      database,
      command.name,
      `it is not known ${why} ${advice}`,
      where ?? "the client",
    );
  }

  #check(command: Command, { outside }: KeyPlaces): void {
    const { database, keyPrefix } = this.#options;
    if (outside === undefined || keyPrefix === "") return;
    throw new CommandRefusedError(database, command.name, outside, "the client");
  }
}
