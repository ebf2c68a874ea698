import { isPlainObject, type Type } from "./_type.ts";

type Entries = Record<string, unknown>;

/** Lists. */
export const seq: Type<"sequence", unknown[]> = {
  tag: "tag:yaml.org,2002:seq",
  kind: "sequence",
  resolve: () => true,
  construct: (data: unknown[] | null) => data ?? [],
};

/** Mappings. */
export const map: Type<"mapping", unknown> = {
  tag: "tag:yaml.org,2002:map",
  kind: "mapping",
  resolve: () => true,
  construct: (data: unknown) => data ?? {},
};

/** Mappings without values. */
export const set: Type<"mapping", Entries> = {
  tag: "tag:yaml.org,2002:set",
  kind: "mapping",
  resolve: (data: Entries | null) =>
    Object.values(data ?? {}).every((value) => value === null),
  construct: (data: Entries | null) => data ?? {},
};

function isSingleEntry(value: unknown): value is Entries {
  return isPlainObject(value) && Object.keys(value).length === 1;
}

/** Lists of single entries. */
export const pairs: Type<"sequence", [string, unknown][]> = {
  tag: "tag:yaml.org,2002:pairs",
  kind: "sequence",
  resolve: (data: unknown[] | null) => (data ?? []).every(isSingleEntry),
  construct: (data: Entries[] | null) =>
    (data ?? []).flatMap((entry) => Object.entries(entry)),
};

/** Lists of single entries, each key once. */
export const omap: Type<"sequence", Entries[]> = {
  tag: "tag:yaml.org,2002:omap",
  kind: "sequence",
  // As in std, a tag without a value is a TypeError here: callers have to catch that too.
  resolve: (data: unknown[]) => {
    const entries = [...data];
    if (!entries.every(isSingleEntry)) return false;
    const keys = entries.flatMap((entry) => Object.keys(entry));
    return new Set(keys).size === keys.length;
  },
  construct: (data: Entries[]) => data,
};
