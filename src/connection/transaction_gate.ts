import { ConnectionLostError, type Delivery } from "../core/errors/mod.ts";
import type { Connection } from "./connection.ts";
import type { CommandOwner, TrackedCommand } from "./tracked.ts";

/**
 * Holds back what follows the first MULTI on a connection until the server has let the
 * transaction begin: behind a MULTI that is refused, as the user may not run it or a proxy
 * does not know it, each command would run by itself.
 */
export class TransactionGate {
  readonly #connection: Connection;
  #held: TrackedCommand[] | undefined;
  /** Resolves when nothing is held back any more. */
  #opening: PromiseWithResolvers<void> | undefined;
  #hasPassed = false;

  /**
   * Holds nothing.
   *
   * @param connection Where commands go.
   */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Resolves when nothing is held back any more; `undefined` if nothing is. */
  get whenOpen(): Promise<void> | undefined {
    if (this.#held === undefined) return undefined;
    return (this.#opening ??= Promise.withResolvers()).promise;
  }

  /**
   * Sends a command, or holds it back.
   *
   * @param command The command.
   */
  send(command: TrackedCommand): void {
    if (this.#held !== undefined) return void this.#held.push(command);
    if (!this.#hasPassed && isMulti(command.name)) this.#held = [];
    this.#connection.send(command);
  }

  /**
   * Who decides when a command fails: of the first MULTI, that is told here as well.
   *
   * @param name Name of the command that is sent next.
   * @param owner Who decides otherwise.
   * @returns Who decides.
   */
  guard(name: string, owner: CommandOwner): CommandOwner {
    if (this.#hasPassed || this.#held !== undefined || !isMulti(name)) return owner;
    return {
      replied: (command, reply) => {
        owner.replied(command, reply);
        this.#hasPassed = true;
        for (const held of this.#takeHeld()) this.#connection.send(held);
        this.#tellOpen();
      },
      failed: (command, error, delivery) => {
        owner.failed(command, error, delivery);
        this.#refuse(error, delivery);
        this.#tellOpen();
      },
    };
  }

  #takeHeld(): TrackedCommand[] {
    const held = this.#held ?? [];
    this.#held = undefined;
    return held;
  }

  #tellOpen(): void {
    this.#opening?.resolve();
    this.#opening = undefined;
  }

  /** Fails what belongs to transactions; what came behind them is sent. */
  #refuse(error: Error, delivery: Delivery): void {
    const held = this.#takeHeld();
    const end = held.findLastIndex(({ name }) => /^(?:exec|discard)$/i.test(name)) + 1;
    const { database } = this.#connection;
    for (const command of held.splice(0, end === 0 ? held.length : end)) {
      const { owner } = command.tracking;
      if (delivery === "rejected") owner.failed(command, error, delivery);
      else {
        const reason = "there was no answer to the MULTI before it";
        const lost = new ConnectionLostError(
          database,
          command.name,
          "never-sent",
          reason,
        );
        owner.failed(command, lost, "never-sent");
      }
    }
    for (const command of held) this.#connection.send(command);
  }
}

/**
 * Whether a command begins a transaction.
 *
 * @param name Its name, in any case.
 * @returns `true` if it does.
 */
export function isMulti(name: string): boolean {
  return name.length === 5 && name.toLowerCase() === "multi";
}

/**
 * Whether a connection is in no transaction any more after an error reply to EXEC. Servers
 * drop a transaction when they refuse a command of it, or when its keys are elsewhere; a
 * server or a proxy that does not let EXEC run at all may not.
 *
 * @param message The server's text.
 * @returns `true` if it surely is in none.
 */
export function endsTransaction(message: string): boolean {
  return /^(?:MOVED|ASK|CLUSTERDOWN|TRYAGAIN|CROSSSLOT)\b/.test(message) ||
    /EXECABORT|EXEC aborted|EXEC without MULTI/i.test(message);
}
