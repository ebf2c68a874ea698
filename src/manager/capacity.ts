import { checkMaxClients, type ManagerConfig, type RedisConfig } from "../config/mod.ts";
import type { Connection } from "../connection/connection.ts";

/** How long the server may take to answer, in milliseconds. */
const TIMEOUT_MS = 5000;

/** Compares what a configuration may open with the `maxclients` of its servers, once each. */
export class CapacityCheck {
  readonly #config: ManagerConfig;
  readonly #warn: (database: string, message: string) => void;
  readonly #checked = new Set<string>();

  /** `warn` is called for a server that takes fewer connections than may be opened. */
  constructor(
    config: ManagerConfig,
    warn: (database: string, message: string) => void,
  ) {
    this.#config = config;
    this.#warn = warn;
  }

  /** Checks the server of a connection that was opened, if it is the first one to it. */
  async opened(database: RedisConfig, connection: Connection): Promise<void> {
    if (this.#checked.has(connection.endpoint)) return;
    this.#checked.add(connection.endpoint);
    const answer = await connection.query(TIMEOUT_MS, "info", "clients");
    if (answer === undefined || "error" in answer) return;
    const { reply } = answer;
    const text = reply instanceof Uint8Array
      ? new TextDecoder().decode(reply)
      : String(reply);
    const found = /^maxclients:(\d+)/m.exec(text)?.[1];
    if (found === undefined) return;
    const warning = checkMaxClients(this.#config, database, Number(found));
    if (warning !== undefined) this.#warn(database.name, warning);
  }
}
