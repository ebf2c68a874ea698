import { checkMaxClients, type ManagerConfig, type RedisConfig } from "../config/mod.ts";
import type { Connection } from "../connection/connection.ts";

/** How long the server may take to tell, in milliseconds. */
const TIMEOUT_MS = 5000;

const decoder = new TextDecoder();

/**
 * Asks a server how many clients it takes.
 *
 * @param connection A connection to it.
 * @returns Its `maxclients`; `undefined` if it does not tell.
 */
async function askMaxClients(connection: Connection): Promise<number | undefined> {
  const answer = await connection.query(TIMEOUT_MS, "info", "clients");
  if (answer === undefined || "error" in answer) return undefined;
  const { reply } = answer;
  const text = reply instanceof Uint8Array ? decoder.decode(reply) : String(reply);
  const found = /^maxclients:(\d+)/m.exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** Compares what a configuration may open with what its servers take, once for each. */
export class CapacityCheck {
  readonly #config: ManagerConfig;
  readonly #warn: (database: string, message: string) => void;
  readonly #asked = new Set<string>();

  /**
   * Makes a check; asks nobody yet.
   *
   * @param config The configuration.
   * @param warn Told of servers that take fewer connections than may be opened.
   */
  constructor(
    config: ManagerConfig,
    warn: (database: string, message: string) => void,
  ) {
    this.#config = config;
    this.#warn = warn;
  }

  /**
   * A connection was opened: asks its server, if it is the first one to it.
   *
   * @param database The database.
   * @param connection The connection.
   */
  async opened(database: RedisConfig, connection: Connection): Promise<void> {
    if (this.#asked.has(connection.endpoint)) return;
    this.#asked.add(connection.endpoint);
    const maxClients = await askMaxClients(connection);
    if (maxClients === undefined) return;
    const warning = checkMaxClients(this.#config, database, maxClients);
    if (warning !== undefined) this.#warn(database.name, warning);
  }
}
