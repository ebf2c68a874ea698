import type { ConfigProblem } from "../core/errors/config.ts";
import type { Dialect } from "./kinds.ts";

/** A source of configuration. */
export type SourceName =
  | "overrides"
  | "environment"
  | "yaml"
  | "registry"
  | "timeouts"
  | "default";

/** Where a value came from. */
export interface Origin {
  /** The source. */
  readonly source: SourceName;
  /** How users know it: a file's path, `env REDIS_HOST`, `overrides`. */
  readonly label: string;
  /** Line in the file, from 1. */
  readonly line?: number;
  /** Column in the line, from 1. */
  readonly column?: number;
}

/** The origin of a default. */
export const DEFAULT_ORIGIN: Origin = { source: "default", label: "default" };

/** The names and units in which a source writes its settings. */
export function dialectOf({ source }: Origin): Dialect {
  return source === "overrides" || source === "registry" || source === "default"
    ? "code"
    : "yaml";
}

/** An origin as `explain` shows it, such as `config/redis-databases.yaml:14`. */
export function formatOrigin({ label, line }: Origin): string {
  return line === undefined ? label : `${label}:${line}`;
}

/** An origin as errors show it, such as `config/redis-databases.yaml:14:5`. */
export function formatPosition(origin: Origin): string {
  const short = formatOrigin(origin);
  return origin.column === undefined ? short : `${short}:${origin.column}`;
}

/** A typed value and where it came from. */
export interface Located {
  /** The value as code sees it: durations in milliseconds. */
  readonly value: unknown;
  /** Where it came from. */
  readonly origin: Origin;
}

/** Values of one level by the setting's path in code. */
export type ValueMap = Map<string, Located>;

/** The value that counts, with the values that it overrode, nearest first. */
export interface Effective extends Located {
  readonly overrode: readonly Located[];
}

/** The values that count, by their path in code. */
export type EffectiveValues = ReadonlyMap<string, Effective>;

interface Refusal {
  readonly origin: Origin;
  readonly key: string;
  readonly message: string;
}

/** Most unknown keys of one source that are compared with the known ones. */
const MAX_HINTS = 20;

/** The settings that one source gives, with its problems and warnings. */
export class Layer {
  readonly source: SourceName;
  /** Settings of the manager, and those for every database. */
  readonly root: ValueMap = new Map();
  /** Settings of each database that the source names. */
  readonly databases: Map<string, ValueMap> = new Map();
  /** Where each database is named. */
  readonly declared: Map<string, Origin> = new Map();
  /** The key that holds the databases, as the source writes it. */
  databasesKey = "databases";
  readonly warnings: string[] = [];
  readonly #refusals: Refusal[] = [];
  #unreadable: Refusal | undefined;
  #hints = MAX_HINTS;

  constructor(source: SourceName) {
    this.source = source;
  }

  /** Whether the source could not be read at all. */
  get isUnreadable(): boolean {
    return this.#unreadable !== undefined;
  }

  /** Its problems: first why it cannot be read, then in the order of the file. */
  get problems(): ConfigProblem[] {
    const first = this.#unreadable === undefined ? [] : [this.#unreadable];
    return [...first, ...this.#refusals.toSorted(inFileOrder)].map((refusal) => ({
      ...refusal,
      origin: formatPosition(refusal.origin),
    }));
  }

  /** The values of a database, created on first use. */
  database(name: string, origin: Origin): ValueMap {
    let values = this.databases.get(name);
    if (values === undefined) {
      values = new Map();
      this.databases.set(name, values);
      this.declared.set(name, origin);
    }
    return values;
  }

  /** Adds a problem: what was found and what is allowed. */
  refuse(origin: Origin, key: string, message: string): void {
    this.#refusals.push({ origin, key, message });
  }

  /** Records why the source cannot be read, and where the reading ended. */
  refuseAll(origin: Origin, key: string, message: string): void {
    this.#unreadable ??= { origin, key, message };
  }

  /** Whether one more unknown key may be compared with the known ones. */
  takeHint(): boolean {
    return this.#hints-- > 0;
  }
}

function inFileOrder({ origin: a }: Refusal, { origin: b }: Refusal): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}
