/**
 * What is in the heap of a process, by a snapshot that V8 has written.
 *
 * @module
 */

interface Snapshot {
  readonly snapshot: {
    readonly meta: {
      readonly node_fields: readonly string[];
      readonly node_types: readonly [readonly string[]];
    };
  };
  readonly nodes: readonly number[];
  readonly strings: readonly string[];
}

/**
 * What is no object: compiled code with what makes it faster, and texts and numbers, which
 * are kept by others, and which compiling makes, too.
 */
const NOT_COUNTED: ReadonlySet<string> = new Set([
  ...["code", "object shape", "hidden"],
  ...["string", "concatenated string", "sliced string", "number", "heap number"],
]);

/**
 * Counts the objects of a snapshot, by kind and class.
 *
 * @param path The snapshot, as `writeHeapSnapshot` of node:v8 writes it.
 */
export async function countObjects(path: string): Promise<Map<string, number>> {
  const { snapshot: { meta }, nodes, strings } = JSON.parse(
    await Deno.readTextFile(path),
  ) as Snapshot;
  const fields = meta.node_fields;
  const [kinds] = meta.node_types;
  const [kindAt, nameAt] = [fields.indexOf("type"), fields.indexOf("name")];
  const counts = new Map<string, number>();
  for (let i = 0; i < nodes.length; i += fields.length) {
    const kind = kinds[nodes[i + kindAt]!]!;
    if (NOT_COUNTED.has(kind)) continue;
    const key = `${kind} ${strings[nodes[i + nameAt]!]}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}
