import type { SettingKind } from "./kinds.ts";

/** One setting: the only place where its name, unit, range and default are said. */
export interface Setting {
  /** Path in code, such as `connectRetry.minMs`. */
  readonly key: string;
  /** Path in YAML, such as `connect_retry.min`. */
  readonly yaml: string;
  /** Other names that YAML takes for it. */
  readonly aliases: readonly string[];
  /** What it may hold. */
  readonly kind: SettingKind;
  /** Its default as code sees it (durations in ms); `undefined` when there is none. */
  readonly default: unknown;
  /** One line for people. */
  readonly description: string;
  /** Whether it says where the server is, or how to get in: an alias takes it over. */
  readonly endpoint: boolean;
}

/** A setting without the parts that most do not have. */
export interface Row {
  /** Path in code. */
  readonly key: string;
  /** Path in YAML. */
  readonly yaml: string;
  /** What it may hold. */
  readonly kind: SettingKind;
  /** Its default as code sees it. */
  readonly default?: unknown;
  /** One line for people. */
  readonly description: string;
  /** Other names that YAML takes for it; none by default. */
  readonly aliases?: readonly string[];
}

/**
 * Fills in what most settings do not say.
 *
 * @param endpoint Whether the settings say where the server is, or how to get in.
 * @param list The settings.
 * @returns The complete settings.
 */
export function rows(endpoint: boolean, list: readonly Row[]): Setting[] {
  return list.map((row) => ({
    key: row.key,
    yaml: row.yaml,
    aliases: row.aliases ?? [],
    kind: row.kind,
    default: row.default,
    description: row.description,
    endpoint,
  }));
}
