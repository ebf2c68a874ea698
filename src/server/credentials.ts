import type { RedisConfig } from "../config/mod.ts";
import type { Connection } from "../connection/connection.ts";
import { CredentialRenewal } from "../connection/credential_renewal.ts";
import type { Clock } from "../core/clock.ts";
import type { Emit } from "../core/events.ts";
import type { LaneSet } from "../pool/lanes.ts";
import type { Pool } from "../pool/pool.ts";
import type { PooledConnection } from "./connections.ts";

/** What the renewal of a database's credentials works on. */
export interface DatabaseCredentialsParts {
  /** The database. */
  readonly config: RedisConfig;
  /** Its pool; late bound. */
  readonly pool: () => Pool<PooledConnection>;
  /** Its lanes; late bound. */
  readonly lanes: () => LaneSet;
  /** Reports events. */
  readonly emit: Emit;
  /** Time. */
  readonly clock: Clock;
}

/**
 * What authenticates a database's connections anew before their credentials expire.
 *
 * @param parts What it works on.
 * @returns The renewal; `undefined` where no provider gives the password, so that it
 * cannot expire.
 */
export function makeCredentialRenewal(
  parts: DatabaseCredentialsParts,
): CredentialRenewal<Connection> | undefined {
  const { clock, config, emit } = parts;
  const { commandTimeoutMs, connectTimeoutMs, name: database, password, username } =
    config;
  if (password === undefined || !password.isProvided) return undefined;
  return new CredentialRenewal<Connection>({
    ask: () => password.credentials(),
    ...(username === undefined ? {} : { username }),
    // As long as for a new connection, whose deadline the provider is a part of.
    askTimeoutMs: connectTimeoutMs,
    timeoutMs: commandTimeoutMs,
    judge: () => {
      const sessions = new Map(
        parts.pool().connections().map(({ connection }) =>
          [connection.connection, connection.session] as const
        ),
      );
      // A lane has no session: what must stay together on it is written together.
      return (connection) => sessions.get(connection)?.interruptible ?? "now";
    },
    replace: (connection, reason) => {
      parts.lanes().replace(connection, reason);
      const isIt = (pooled: PooledConnection) => pooled.connection === connection;
      parts.pool().evict(isIt, false, "max_lifetime");
      // If somebody has it, he keeps it: nobody has it after him.
      parts.pool().connections()
        .find((open) => isIt(open.connection))?.connection.session?.spoil();
    },
    warn: (message) => emit("warning", { database, message }),
    clock,
  });
}
