import { RedisDatabase } from "../config/databases.ts";
import { UnknownDatabaseError } from "../core/errors/mod.ts";
import type { Database } from "../database/database.ts";
import type { DatabaseName } from "./named_databases.ts";

/** A manager's databases by the names that they go by. */
export class DatabaseDirectory {
  readonly #databases = new Map<string, Database>();
  readonly #fallsBack: boolean;

  /**
   * Begins empty.
   *
   * @param fallsBack Whether an unknown name means `main`, as in the seed.
   */
  constructor(fallsBack: boolean) {
    this.#fallsBack = fallsBack;
  }

  /** All of them, in the order in which they were added. */
  get all(): readonly Database[] {
    return [...this.#databases.values()];
  }

  /** Their names. */
  get names(): readonly string[] {
    return [...this.#databases.keys()];
  }

  /**
   * Whether a name is taken.
   *
   * @param name The name.
   * @returns `true` if it is.
   */
  has(name: string): boolean {
    return this.#databases.has(name);
  }

  /**
   * Adds a database.
   *
   * @param database The database; its name is not taken.
   */
  add(database: Database): void {
    this.#databases.set(database.name, database);
  }

  /**
   * Finds a database.
   *
   * @param database Its name, or its number in `RedisDatabase`.
   * @returns The database.
   * @throws {UnknownDatabaseError} If there is none of that name.
   */
  find(database: DatabaseName): Database {
    const names = namesOf(database);
    for (const name of names) {
      const found = this.#databases.get(name);
      if (found !== undefined) return found;
    }
    const fallback = this.#fallsBack ? this.#databases.get("main") : undefined;
    if (fallback !== undefined) return fallback;
    const note = typeof database === "number" ? this.#noteOn(database) : undefined;
    throw new UnknownDatabaseError(names[0]!, [...this.#databases.keys()], note);
  }

  /** A number stands for a name, whatever number the database of another name has. */
  #noteOn(number: number): string {
    const numbers = this.all.map(({ config: { db, name } }) => `${name} has ${db}`);
    const names = namesOf(number).map((name) => `"${name}"`).join(" or ");
    const meant = names === `"${number}"` ? "no name" : names;
    const same = this.all.filter(({ config }) => config.db === number);
    const advice = same.map(({ name }) => `"${name}"`).join(" or ") || "a name";
    return `${number} stands for ${meant} of RedisDatabase, whichever numbers databases ` +
      `have (${numbers.join(", ")}): ask for ${advice}`;
  }
}

/** Names that a database may go by: a number of {@linkcode RedisDatabase} can have two. */
function namesOf(database: DatabaseName): string[] {
  if (typeof database === "string") return [database];
  const names = Object.entries(RedisDatabase)
    .filter(([, number]) => number === database)
    .map(([name]) => name.toLowerCase());
  return names.length === 0 ? [String(database)] : names;
}
