import { assert, assertEquals } from "@std/assert";
import { RedisConfigLoader } from "../../../src/config/mod.ts";
import type { Connection } from "../../../src/connection/connection.ts";
import { Connector } from "../../../src/connection/connector.ts";
import { settleFailed } from "../../../src/connection/pending_command.ts";
import { Session } from "../../../src/connection/session.ts";
import { systemClock } from "../../../src/core/clock.ts";
import type { EvictionReason, Purpose } from "../../../src/pool/types.ts";
import { openerSettings } from "../../../src/server/connections.ts";
import { PooledConnection } from "../../../src/server/lease.ts";
import { locate } from "../../../src/server/location.ts";
import type { RedisServer } from "../../../src/testing/redis_server.ts";
import type { RespClient } from "../../../src/testing/resp_client.ts";
import type {
  Leaving,
  Opening,
  Question,
  WorldDriver,
} from "../../unit/pool/pool_world.ts";

const DATABASE = "model";
const NAME = `mooring:${DATABASE}:`;
/** How often the server is asked again whether it has noticed what was closed. */
const MOST_LOOKS = 5000;

/** A real connection, and what it is for. */
export class RealConnection extends PooledConnection {
  readonly purpose: Purpose;

  constructor(connection: Connection, purpose: Purpose) {
    super(connection, purpose === "lane" ? undefined : sessionOf(connection));
    this.purpose = purpose;
  }

  /** Whether it has not ended. */
  get alive(): boolean {
    return this.connection.isOpen;
  }

  /** Address of its end, as the server lists it. */
  get address(): string {
    return `127.0.0.1:${this.connection.stream.channel.localPort}`;
  }
}

/** An opening, and the connection that comes of it. */
interface RealOpening extends Opening {
  readonly opened: Promise<RealConnection>;
}

/** A question, and what the server said. */
interface RealQuestion extends Question<RealConnection> {
  readonly said: Promise<boolean>;
}

/**
 * Opens, asks, cleans and ends real connections as a database does, but tells the pool
 * only when the world says so. What is really open is judged by the server's own list.
 */
export class RealDriver implements WorldDriver<RealConnection> {
  readonly live: Set<RealConnection> = new Set();
  readonly destroyed: { id: number; reason: EvictionReason }[] = [];
  readonly creating: RealOpening[] = [];
  readonly recycling: RealQuestion[] = [];
  readonly validating: RealQuestion[] = [];
  readonly recyclings = ["clean", "clean", "clean", "unclean", "later"] as const;
  readonly answers = ["yes"] as const;
  readonly #server: RedisServer;
  readonly #opener: Connector;
  readonly #judge: RespClient;

  private constructor(server: RedisServer, opener: Connector, judge: RespClient) {
    this.#server = server;
    this.#opener = opener;
    this.#judge = judge;
  }

  /** A driver of connections to a server; `judge` is a connection of the test's own. */
  static async make(server: RedisServer, judge: RespClient): Promise<RealDriver> {
    const { host, port } = server;
    const config = await RedisConfigLoader.load({
      yamlText: `redis_databases: { ${DATABASE}: { db: 0 } }`,
      env: {},
      overrides: {
        databases: { [DATABASE]: { host, port, connectRetry: { attempts: 1 } } },
      },
    });
    const database = config.databases[DATABASE]!;
    const opener = new Connector({
      ...openerSettings({ config: database, clock: systemClock }),
      ...locate(database, systemClock, () => {}),
      reached: () => {},
      attemptFailed: () => {},
      attemptRepeated: () => {},
      loading: () => {},
      observer: { answered: () => {}, blockingAnswered: () => {}, troubled: () => {} },
    });
    return new RealDriver(server, opener, judge);
  }

  create(signal: AbortSignal, purpose: Purpose): Promise<RealConnection> {
    const opened = this.#opener.open(purpose, signal)
      .then((connection) => new RealConnection(connection, purpose));
    // It may fail when no caller waits for it any more.
    opened.catch(() => {});
    return new Promise((resolve, reject) => {
      const opening: RealOpening = {
        opened,
        open: async () => {
          const connection = await opened;
          remove(this.creating, opening);
          this.live.add(connection);
          connection.onEnd(() => this.live.delete(connection));
          resolve(connection);
          return connection.id;
        },
        fail: (error) => {
          if (!remove(this.creating, opening)) return;
          reject(error);
          opened.then(({ connection }) => connection.close(BY_TEST), () => {});
        },
      };
      this.creating.push(opening);
      signal.addEventListener("abort", () => opening.fail(signal.reason), { once: true });
    });
  }

  recycle(connection: RealConnection): boolean | Promise<boolean> {
    const clean = connection.session!.clean();
    return typeof clean === "boolean"
      ? clean
      : this.#ask(this.recycling, connection, clean);
  }

  validate(connection: RealConnection): Promise<boolean> {
    const said = connection.connection.ask(2000, "ping");
    return this.#ask(this.validating, connection, said);
  }

  destroy(connection: RealConnection, reason: EvictionReason): void {
    if (!this.live.delete(connection)) {
      throw new Error(`connection ${connection.id} was destroyed twice, last: ${reason}`);
    }
    this.destroyed.push({ id: connection.id, reason });
    connection.connection.close({ kind: "closed", text: reason });
  }

  /** Has the server end a connection, and waits until that is known here. */
  async kill(connection: RealConnection): Promise<void> {
    const ended = new Promise((resolve) => connection.onEnd(resolve));
    await this.#judge.send("CLIENT", "KILL", "ADDR", connection.address);
    await ended;
  }

  /** Leaves it as it is, with a WATCH and another database, or subscribed. */
  async leave(connection: RealConnection, how: Leaving): Promise<void> {
    if (!connection.alive) return;
    const { redis } = connection.session!;
    if (how === "unclean") await redis.subscribe("news");
    if (how !== "later") return;
    await redis.watch("k");
    await redis.select(5);
  }

  /** Holds what should be open to the server's list of clients, idle ones to be clean. */
  async settle(idle: readonly number[] = []): Promise<void> {
    const coming = await Promise.all(this.creating.map(({ opened }) => opened));
    const expected = [...this.live, ...coming].map(describe).sort();
    for (let look = 1;; look++) {
      const rows = await this.#server.clientList(NAME);
      const found = rows.map(({ addr, name }) => `${addr} ${name}`).sort();
      if (look < MOST_LOOKS && found.join() !== expected.join()) continue;
      assertEquals(found, expected);
      const addresses = [...this.live].filter(({ id }) => idle.includes(id))
        .map(({ address }) => address);
      for (const { addr, db, fields } of rows) {
        if (!addresses.includes(addr)) continue;
        assertEquals([db, fields.sub, fields.psub], [0, "0", "0"]);
        // Not `multi=-1`: Valkey 8.1 and later say 0 once there was a WATCH or a MULTI.
        assert(!fields.flags!.includes("x"), "a MULTI is open");
        assertEquals(fields.watch ?? "0", "0"); // Redis 7.0 does not say
      }
      return;
    }
  }

  #ask(
    list: RealQuestion[],
    connection: RealConnection,
    said: Promise<boolean>,
  ): Promise<boolean> {
    return new Promise((resolve) => {
      const question: RealQuestion = {
        connection,
        said,
        answer: async () => {
          const works = await said;
          remove(list, question);
          resolve(works);
          return works;
        },
      };
      list.push(question);
    });
  }
}

const BY_TEST = { kind: "closed", text: "not wanted by the test any more" } as const;

function describe({ address, purpose }: RealConnection): string {
  return `${address} ${NAME}${purpose}`;
}

function sessionOf(connection: Connection): Session {
  return new Session(connection, {
    db: 0,
    resetTimeoutMs: 2000,
    owner: {
      replied: () => {},
      failed: settleFailed,
    },
    timeoutOf: () => 2000,
    decodeResponses: true,
    observer: undefined,
  });
}

function remove<T>(list: T[], item: T): boolean {
  const index = list.indexOf(item);
  if (index !== -1) list.splice(index, 1);
  return index !== -1;
}
