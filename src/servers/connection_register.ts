import type { CloseReason, Connection } from "../connection/connection.ts";
import type { Emit } from "../core/events.ts";
import type { Traffic } from "../observability/statistics.ts";

/** What a register needs. */
export interface ConnectionRegisterParts {
  /** Name of the database. */
  readonly database: string;
  /** Counts their bytes. */
  readonly traffic: Traffic;
  /** Told of each that was lost, before the event tells of it. */
  readonly lost: (connection: Connection) => void;
  /** Told of the same afterwards. */
  readonly troubled: () => void;
  /** Reports events. */
  readonly emit: Emit;
}

/**
 * The connections to one server, from the moment that they are open until they have
 * ended: counts them, and reports both.
 */
export class ConnectionRegister {
  readonly #parts: ConnectionRegisterParts;
  readonly #open = new Set<Connection>();
  /** One for all: a closure for each would be kept for as long as it is open. */
  readonly #onEnd = (reason: CloseReason, connection: Connection) =>
    this.#ended(connection, reason);
  #opened = 0;

  /**
   * Begins empty.
   *
   * @param parts What it needs.
   */
  constructor(parts: ConnectionRegisterParts) {
    this.#parts = parts;
  }

  /** How many have been opened. */
  get opened(): number {
    return this.#opened;
  }

  /**
   * Takes note of a connection that was opened.
   *
   * @param connection The connection.
   */
  add(connection: Connection): void {
    this.#opened++;
    this.#open.add(connection);
    this.#parts.traffic.opened(connection.stream);
    const { id, endpoint } = connection;
    const { database, emit } = this.#parts;
    emit("connection", { database, action: "opened", id, endpoint });
    // It may have ended already, and says so at once.
    connection.onEnd(this.#onEnd);
  }

  /** Ends every connection at once. */
  cut(): void {
    const reason: CloseReason = { kind: "closed", text: "closed by the manager" };
    for (const connection of [...this.#open]) connection.close(reason);
  }

  #ended(connection: Connection, { kind, text }: CloseReason): void {
    const { database, emit, lost, traffic, troubled } = this.#parts;
    this.#open.delete(connection);
    traffic.ended(connection.stream);
    const isLost = kind !== "closed";
    if (isLost) lost(connection);
    emit("connection", {
      database,
      action: "closed",
      id: connection.id,
      endpoint: connection.endpoint,
      end: kind,
      reason: text,
    });
    if (isLost) troubled();
  }
}
