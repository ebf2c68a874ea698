import type { ConfigProblem } from "../core/errors/base.ts";
import { formatPosition, type Origin, type SourceName } from "./origin.ts";

/** A typed value and where it came from. */
export interface Located {
  /** The value as code sees it: durations in milliseconds. */
  readonly value: unknown;
  /** Where it came from. */
  readonly origin: Origin;
}

/** Values of one level by the setting's path in code. */
export type ValueMap = Map<string, Located>;

/** Something that is wrong, before it is put into words. */
interface Refusal {
  readonly origin: Origin;
  readonly key: string;
  readonly message: string;
}

/** How many unknown keys of one source are compared with the known ones. */
const MAX_HINTS = 20;

/** What one source says. */
export class Layer {
  /** The source. */
  readonly source: SourceName;
  /** What it says of the manager and of every database. */
  readonly root: ValueMap = new Map();
  /** What it says of each database that it names. */
  readonly databases: Map<string, ValueMap> = new Map();
  /** Where each database is named. */
  readonly declared: Map<string, Origin> = new Map();
  /** The key that holds the databases, as the source writes it. */
  databasesKey = "databases";
  /** What is allowed but probably not meant. */
  readonly warnings: string[] = [];
  readonly #refusals: Refusal[] = [];
  /** Why nothing of it can be read. */
  #unreadable: Refusal | undefined;
  #hints = MAX_HINTS;

  /**
   * Makes an empty layer.
   *
   * @param source The source.
   */
  constructor(source: SourceName) {
    this.source = source;
  }

  /** Whether nothing of it could be read: what it would have said is not known. */
  get isUnreadable(): boolean {
    return this.#unreadable !== undefined;
  }

  /** What is wrong with it: first why it cannot be read, then in the order of the file. */
  get problems(): ConfigProblem[] {
    const first = this.#unreadable === undefined ? [] : [this.#unreadable];
    const all = [...first, ...this.#refusals.toSorted(inFileOrder)];
    return all.map(({ origin, key, message }) => ({
      origin: formatPosition(origin),
      key,
      message,
    }));
  }

  /**
   * The values of a database, made on first use.
   *
   * @param name The database's name.
   * @param origin Where it is named.
   * @returns The values, to be filled.
   */
  database(name: string, origin: Origin): ValueMap {
    let values = this.databases.get(name);
    if (values === undefined) {
      values = new Map();
      this.databases.set(name, values);
      this.declared.set(name, origin);
    }
    return values;
  }

  /**
   * Notes that something is wrong.
   *
   * @param origin Where.
   * @param key Path of the setting.
   * @param message What was found and what is allowed.
   */
  refuse(origin: Origin, key: string, message: string): void {
    this.#refusals.push({ origin, key, message });
  }

  /**
   * Notes that nothing of it can be read.
   *
   * @param origin Where the reading ended.
   * @param key Path of the setting that stands there.
   * @param message Why.
   */
  refuseAll(origin: Origin, key: string, message: string): void {
    this.#unreadable ??= { origin, key, message };
  }

  /**
   * Whether one more unknown key may be compared with the known ones.
   *
   * @returns `false` once that was done too often.
   */
  takeHint(): boolean {
    return this.#hints-- > 0;
  }

  /**
   * A layer that says the same and takes additions of its own.
   *
   * @returns The copy, without problems and warnings.
   */
  fork(): Layer {
    const copy = new Layer(this.source);
    copy.databasesKey = this.databasesKey;
    for (const [key, located] of this.root) copy.root.set(key, located);
    for (const [name, values] of this.databases) {
      copy.databases.set(name, new Map(values));
    }
    for (const [name, origin] of this.declared) copy.declared.set(name, origin);
    return copy;
  }
}

function inFileOrder({ origin: a }: Refusal, { origin: b }: Refusal): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}
