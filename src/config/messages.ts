import type { ConfigProblem } from "../core/errors/config.ts";
import {
  dialectOf,
  formatOrigin,
  formatPosition,
  type Layer,
  type Origin,
} from "./layer.ts";
import { type Setting, writtenName } from "./names.ts";

/** Longest piece of a value that an error quotes. */
const MAX_QUOTE = 40;

/** A text from outside, safe to print: quoted, control characters escaped, shortened. */
export function quote(text: string): string {
  return JSON.stringify(text.length > MAX_QUOTE ? `${text.slice(0, MAX_QUOTE)}…` : text);
}

/**
 * A key as a message shows it. Of one that is no plain word only the beginning is shown:
 * `password:secret`, with the space forgotten, is a key too.
 */
export function keyName(key: string): string {
  if (/^[\w.-]{1,64}$/.test(key)) return key;
  return `${/^[A-Za-z_-]{0,32}/.exec(key)?.[0] ?? ""}…`;
}

/** What was found in place of a mapping or a list: its type, never its text. */
export function foundShape(value: unknown): string {
  return typeof value === "string"
    ? `a text of ${value.length} characters`
    : foundText(value);
}

/**
 * What was found, without giving a secret away: a text that looks like it holds
 * credentials is only counted.
 */
export function foundText(value: unknown): string {
  if (typeof value === "string") {
    return /@|:\/\//.test(value)
      ? `a text of ${value.length} characters (not shown: it may hold a password)`
      : quote(value);
  }
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value === null || typeof value === "number" || typeof value === "boolean") {
    return String(value);
  }
  return typeof value === "object" ? "a mapping" : `a ${typeof value}`;
}

/** How one source writes its settings, for messages about them. */
export interface Wording {
  /** A setting or a group by its path in code. */
  name(key: string): string;
  /** A duration with its unit. */
  time(ms: number): string;
}

/** The wording of the source of a value: code's names and ms, or YAML's names and s. */
export function wordingOf(origin: Origin): Wording {
  const dialect = dialectOf(origin);
  return {
    name: (key) => writtenName(key, dialect),
    time: (ms) => dialect === "code" ? `${ms} ms` : `${ms / 1000} s`,
  };
}

/**
 * A problem with a setting of a database, whose path is written as its source writes it,
 * such as `redis_databases.cache.sentinel_name`.
 */
export function problemAt(
  layers: readonly Layer[],
  name: string,
  key: string,
  origin: Origin,
  message: string,
): ConfigProblem {
  const layer = layers.find(({ source }) => source === origin.source);
  const path = `${layer?.databasesKey ?? "databases"}.${name}`;
  return {
    origin: formatPosition(origin),
    key: `${path}.${wordingOf(origin).name(key)}`,
    message,
  };
}

/** Longest duration without a warning. */
const USUAL_MS = 1_000_000;
/** A duration of more than so many defaults gets a warning. */
const MAX_DEFAULTS = 200;
/** Stands for the default of what is off by default. */
const TYPICAL_MS = 60_000;

/**
 * Warns of a duration that was probably given in milliseconds in place of seconds:
 * `socket_timeout: 5000` would let a command wait for 83 minutes.
 */
export function warnIfMilliseconds(
  layer: Layer,
  setting: Setting,
  value: unknown,
  origin: Origin,
  label: string,
): void {
  if (setting.kind.type !== "duration" || typeof value !== "number") return;
  const usual = Number(setting.default) || TYPICAL_MS;
  if (value <= Math.max(USUAL_MS, usual * MAX_DEFAULTS)) return;
  const seconds = value / 1000;
  layer.warnings.push(
    `${formatOrigin(origin)}: ${label} is ${seconds} s: durations are seconds; if ` +
      `${seconds} ms were meant, write ${seconds / 1000}`,
  );
}
