/** Most nodes of a tree that is copied: aliases of aliases can stand for billions. */
const MAX_NODES = 50_000;

type Mapping = Record<string, unknown>;

function isMapping(value: unknown): value is Mapping {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * A copy of a parsed document with some values set in one of its mappings. What aliases
 * share is copied for each of them, so a change behind an alias would show.
 *
 * @param root The document, as it was parsed.
 * @param path Keys of the mapping from the root.
 * @param values The values by key.
 * @returns The copy.
 * @throws {RangeError} If it has too many nodes.
 */
export function withValues(
  root: unknown,
  path: readonly string[],
  values: Readonly<Record<string, string>>,
): unknown {
  let left = MAX_NODES;
  const copy = (value: unknown): unknown => {
    if (--left < 0) throw new RangeError(`more than ${MAX_NODES} nodes`);
    if (Array.isArray(value)) return value.map(copy);
    if (!isMapping(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, each]) => [key, copy(each)]),
    );
  };
  const copied = { root: copy(root) };
  let parent: Mapping = copied;
  let key = "root";
  for (const step of [...path, undefined]) {
    const mapping = isMapping(parent[key]) ? parent[key] as Mapping : {};
    parent[key] = mapping;
    if (step === undefined) {
      for (const [name, value] of Object.entries(values)) mapping[name] = unquoted(value);
    } else [parent, key] = [mapping, step];
  }
  return copied.root;
}

function unquoted(value: string): string {
  return /^(["'])(.*)\1$/.exec(value)?.[2] ?? value;
}

/**
 * Whether two parsed documents say the same.
 *
 * @param one One.
 * @param other The other.
 * @returns `true` if they do, in whatever order their keys are.
 */
export function sameTree(one: unknown, other: unknown): boolean {
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length &&
      one.every((each, i) => sameTree(each, other[i]));
  }
  if (!isMapping(one) || !isMapping(other)) return one === other;
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && sameTree(one[key], other[key]));
}
