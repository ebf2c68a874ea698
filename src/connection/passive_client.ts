import { defineCommandMethods } from "./command_methods.ts";
import { type Command, Redis } from "./library.ts";

/** Called by the library's own convention: error first. */
type Callback = (error: Error | null, redis?: Redis) => void;

/** Who decides what becomes of what a client is asked for, in place of the library; what
 * is left out goes the library's own way. */
export interface ClientHolder {
  /** Name of the database. */
  readonly database: string;
  /**
   * Sends a command.
   *
   * @param command The command.
   * @returns Its promise.
   */
  clientSends(command: Command): unknown;
  /** Ends the connection. */
  clientDisconnects?(): void;
  /**
   * Makes the connection one that reports what the server is asked; the library would
   * open another.
   */
  clientMonitors?(): Promise<void>;
  /** Throws, if a copy of the client would be nobody's. */
  refuseDuplicate?(): void;
}

/** Where a client's holder stands on it: not a private field, as leases are proxies. */
const HOLDER = Symbol("holder");

/**
 * The library's client as connections use it. What differs for those that somebody holds
 * is here, once, and not a closure or four on each of them.
 */
export class PassiveClient extends Redis {
  /** Unset where the library's own way is right. */
  [HOLDER]: ClientHolder | undefined = undefined;

  /** Name of the database; empty while nobody holds the client. */
  get databaseName(): string {
    return this[HOLDER]?.database ?? "";
  }

  override sendCommand(command: Command, stream?: unknown): unknown {
    const holder = this[HOLDER];
    // The library's pipelines hand a stream over; the coalescer batches just as well.
    if (holder !== undefined) return holder.clientSends(command);
    return super.sendCommand(command, stream as Parameters<Redis["sendCommand"]>[1]);
  }

  override disconnect(reconnect?: boolean): void {
    const holder = this[HOLDER];
    if (holder?.clientDisconnects === undefined) super.disconnect(reconnect);
    else holder.clientDisconnects();
  }

  override duplicate(override?: Parameters<Redis["duplicate"]>[0]): Redis {
    this[HOLDER]?.refuseDuplicate?.();
    return super.duplicate(override);
  }

  override monitor(callback?: Callback): Promise<Redis> {
    const holder = this[HOLDER];
    if (holder?.clientMonitors === undefined) return super.monitor(callback as never);
    const monitoring = holder.clientMonitors().then(() => this);
    if (callback !== undefined) {
      monitoring.then((client) => callback(null, client), callback);
    }
    return monitoring;
  }
}

defineCommandMethods(PassiveClient.prototype);

/**
 * Lets somebody decide what becomes of what a client is asked for.
 *
 * @param redis The client.
 * @param holder Who; `undefined` for the library's own way.
 */
export function hold(redis: Redis, holder: ClientHolder | undefined): void {
  (redis as PassiveClient)[HOLDER] = holder;
}
