import { ConnectionLostError, type Delivery } from "../core/errors/mod.ts";
import type { Connection } from "./connection.ts";
import type { CommandOwner, PendingCommand } from "./pending_command.ts";

/**
 * Holds back what follows the first MULTI on a connection until the server has let the
 * transaction begin: behind a MULTI that is refused, as the user may not run it or a proxy
 * does not know it, each command would run by itself.
 */
export class TransactionGate {
  readonly #connection: Connection;
  #held: PendingCommand[] | undefined;
  /** Resolves when nothing is held back any more. */
  #opening: PromiseWithResolvers<void> | undefined;
  #hasPassed = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Resolves when nothing is held back any more; `undefined` if nothing is. */
  get whenOpen(): Promise<void> | undefined {
    if (this.#held === undefined) return undefined;
    return (this.#opening ??= Promise.withResolvers()).promise;
  }

  /** Sends a command, or holds it back. */
  send(command: PendingCommand): void {
    if (this.#held !== undefined) return void this.#held.push(command);
    if (!this.#hasPassed && isMulti(command.name)) this.#held = [];
    this.#connection.send(command);
  }

  /** The owner of the next command: of the first MULTI, one that also reports its outcome
   * to this gate. */
  guard(name: string, owner: CommandOwner): CommandOwner {
    if (this.#hasPassed || this.#held !== undefined || !isMulti(name)) return owner;
    return {
      replied: (command, reply) => {
        owner.replied(command, reply);
        this.#hasPassed = true;
        for (const held of this.#takeHeld()) this.#connection.send(held);
      },
      failed: (command, error, delivery) => {
        owner.failed(command, error, delivery);
        this.#refuse(error, delivery);
      },
    };
  }

  #takeHeld(): PendingCommand[] {
    const held = this.#held ?? [];
    this.#held = undefined;
    this.#opening?.resolve();
    this.#opening = undefined;
    return held;
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
        const { name } = command;
        const lost = new ConnectionLostError(database, name, "never-sent", reason);
        owner.failed(command, lost, "never-sent");
      }
    }
    for (const command of held) this.#connection.send(command);
  }
}

/** Whether a command, by its name in any case, begins a transaction. */
export function isMulti(name: string): boolean {
  return name.length === 5 && name.toLowerCase() === "multi";
}

/**
 * Whether an error reply to EXEC shows that the connection is in no transaction any more.
 * Servers drop a transaction when they refuse a command of it, or when its keys are
 * elsewhere; a server or a proxy that does not allow EXEC at all may not.
 */
export function endsTransaction(message: string): boolean {
  return /^(?:MOVED|ASK|CLUSTERDOWN|TRYAGAIN|CROSSSLOT)\b/.test(message) ||
    /EXECABORT|EXEC aborted|EXEC without MULTI/i.test(message);
}
