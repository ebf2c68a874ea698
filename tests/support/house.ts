/**
 * Measures what makes a code base hard to enter: how many files and lines there are, what an
 * import loads, how many names it gives, and which files import each other in a circle.
 *
 * @module
 */

import { readExports, readImports, resolve, type SourceFile } from "./layers.ts";

/** What is measured. */
export interface House {
  /** Files in `src`. */
  files: number;
  /** Lines of code in `src`, without comments and blank lines. */
  codeLines: number;
  /** Files of ours in the module graph of `mod.ts`, as `deno info` counts them. */
  modules: number;
  /** Names that `mod.ts` exports. */
  exports: number;
  /** Lines of the README. */
  readmeLines: number;
  /** Circles of imports in `src`, those of types alone included. */
  cycles: number;
  /** Lines of the longest file in `src`, comments included. */
  longestFile: number;
}

/** The measures, with what stands behind two of them. */
export interface Measured {
  house: House;
  /** Each circle: its files in order, the first one again at the end. */
  cycles: string[][];
  /** Path of the longest file. */
  longest: string;
}

/**
 * Counts lines of code: neither blank nor part of a comment of their own.
 *
 * @param text The code.
 * @returns How many there are.
 */
export function countCodeLines(text: string): number {
  let count = 0;
  let isComment = false;
  for (const line of text.split("\n").map((each) => each.trim())) {
    if (isComment) {
      isComment = !line.includes("*/");
    } else if (line.startsWith("/*")) {
      isComment = !line.includes("*/");
    } else if (line !== "" && !line.startsWith("//")) {
      count++;
    }
  }
  return count;
}

/** Files by path, each with the files of ours that it imports. */
export type ImportGraph = ReadonlyMap<string, readonly string[]>;

/**
 * Reads who imports whom, imports of types included.
 *
 * @param files The files.
 * @returns The graph; imports of what is not among the files are left out.
 */
export function readGraph(files: readonly SourceFile[]): ImportGraph {
  const paths = new Set(files.map(({ path }) => path));
  return new Map(files.map((file) => {
    const imported = readImports(file)
      .map(({ specifier = "" }) => resolve(file.path, specifier))
      .filter((path) => path !== undefined && paths.has(path));
    return [file.path, [...new Set(imported as string[])].sort()];
  }));
}

/**
 * The files that an entrypoint reaches, itself included.
 *
 * @param graph Who imports whom.
 * @param entrypoint Where to begin.
 * @returns Their paths.
 */
export function reachableFrom(graph: ImportGraph, entrypoint: string): Set<string> {
  const reached = new Set([entrypoint]);
  for (const path of reached) {
    for (const imported of graph.get(path) ?? []) reached.add(imported);
  }
  return reached;
}

/**
 * Finds circles: one for each import that leads back to a file which leads to it.
 *
 * @param graph Who imports whom.
 * @returns The circles; none only if there are none.
 */
export function findCycles(graph: ImportGraph): string[][] {
  const cycles: string[][] = [];
  const done = new Set<string>();
  const way: string[] = [];
  const visit = (path: string) => {
    if (done.has(path)) return;
    const begin = way.indexOf(path);
    if (begin !== -1) {
      cycles.push([...way.slice(begin), path]);
      return;
    }
    way.push(path);
    for (const imported of graph.get(path) ?? []) visit(imported);
    way.pop();
    done.add(path);
  };
  for (const path of graph.keys()) visit(path);
  return cycles;
}

/** All names that a file exports, by itself or from others. */
function exportsOf(
  path: string,
  files: ReadonlyMap<string, SourceFile>,
): Set<string> {
  const file = files.get(path);
  if (file === undefined) return new Set();
  const { names, from } = readExports(file);
  const others = from.map((specifier) => exportsOf(resolve(path, specifier)!, files));
  return others.reduce((all, each) => all.union(each), new Set(names));
}

/**
 * Measures the package.
 *
 * @param files Its code.
 * @param readme Its README.
 * @returns The measures.
 */
export function measureHouse(files: readonly SourceFile[], readme: string): Measured {
  const source = files.filter(({ path }) => path.startsWith("src/"));
  const entrypoint = files.filter(({ path }) => path === "mod.ts");
  const lengths = source.map(({ path, text }) =>
    [text.split("\n").length - 1, path] as const
  )
    .sort(([a], [b]) => b - a);
  const cycles = findCycles(readGraph(source));
  const byPath = new Map(files.map((file) => [file.path, file]));
  return {
    house: {
      files: source.length,
      codeLines: source.reduce((sum, { text }) => sum + countCodeLines(text), 0),
      modules: reachableFrom(readGraph([...entrypoint, ...source]), "mod.ts").size,
      exports: exportsOf("mod.ts", byPath).size,
      readmeLines: readme.split("\n").length - 1,
      cycles: cycles.length,
      longestFile: lengths[0]?.[0] ?? 0,
    },
    cycles,
    longest: lengths[0]?.[1] ?? "",
  };
}
