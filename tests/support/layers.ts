/**
 * Holds the table of layers: which file of the package may import which.
 *
 * Imports are read by Deno's own parser, through its lint plugins, which are there in
 * `deno test` only.
 *
 * @module
 */

/** One import of a file, in whatever form it is written. */
export interface Import {
  /** What is imported; absent where it is computed when the program runs. */
  specifier?: string;
  /** Whether it is gone when the program runs. */
  typeOnly: boolean;
  /** The line, from 1. */
  line: number;
}

/** A file of the package. */
export interface SourceFile {
  /** Path in the package, such as `src/pool/lane.ts`. */
  path: string;
  /** Its text. */
  text: string;
}

/** The layers, from the bottom: folders of `src`. Those of one layer never import each other. */
const LAYERS: readonly (readonly string[])[] = [
  ["core"],
  ["transport", "resilience", "config", "observability"],
  ["connection"],
  ["pool", "commands", "sentinel"],
  ["near_cache", "values"],
  ["server"],
  ["cluster"],
  ["manager"],
];

/** The commands see what any user sees, the package's entrypoints, and repeat nothing of
 * what every program needs: what is in `core`, and the histogram. */
const COMMANDS = "cli";
const ENTRYPOINT = "mod.ts";
const HISTOGRAM = "src/observability/histogram.ts";

/** The test kit. It shares nothing with what it tests, but for the clock that it fakes. */
const TEST_KIT = "testing";

/** A generated file that is published. */
const SCHEMA = "config/redis-databases.schema.json";

/**
 * What each bench measures, which it may import beside {@linkcode BENCH_TOOLS}: the areas of
 * `src` by file or folder of `bench/`. One that is not listed measures the package as its
 * users see it.
 */
const MEASURED: Readonly<Record<string, readonly string[]>> = {
  "bench/coalescer_bench.ts": ["transport"],
  "bench/config_bench.ts": ["config"],
  "bench/deadline_bench.ts": ["connection"],
  "bench/guard_bench.ts": ["transport"],
  "bench/histogram_bench.ts": ["observability"],
  "bench/wait_queue_bench.ts": ["pool"],
  "bench/pool": ["pool"],
  // The driver by itself is one of the rivals.
  "bench/speed": ["connection", "transport"],
  // Whole pools and databases on modelled time, over a modelled transport.
  "bench/simulation": ["transport", "pool", "server", "manager"],
};

/** What every bench may import: what users see, time, the tools of the command line, servers. */
const BENCH_TOOLS: readonly string[] = [ENTRYPOINT, "core", COMMANDS, TEST_KIT];

/** Packages that one area alone may import, and whether others may name their types. */
const OWNERS = [
  { name: "ioredis", area: "connection", typesElsewhere: true },
  { name: "@opentelemetry/api", area: "observability", typesElsewhere: false },
  { name: "echarts", area: COMMANDS, typesElsewhere: false },
  { name: "commander", area: COMMANDS, typesElsewhere: false },
] as const;

function literalOf(node: Deno.lint.Node): string | undefined {
  if (node.type === "Literal") return String(node.value);
  if (node.type === "TSLiteralType") return literalOf(node.literal);
  const [only, ...more] = node.type === "TemplateLiteral" ? node.quasis : [];
  return more.length === 0 ? only?.cooked : undefined;
}

/** Makes a plugin that hands every import to a function. */
function collector(
  found: (node: Deno.lint.Node, source: Deno.lint.Node, typeOnly: boolean) => void,
): Deno.lint.Plugin {
  const visitor: Deno.lint.LintVisitor = {
    ImportDeclaration: (node) => found(node, node.source, node.importKind === "type"),
    ImportExpression: (node) => found(node, node.source, false),
    ExportAllDeclaration: (node) => found(node, node.source, node.exportKind === "type"),
    ExportNamedDeclaration: (node) => {
      if (node.source) found(node, node.source, node.exportKind === "type");
    },
    TSExternalModuleReference: (node) => found(node, node.expression, false),
    TSImportType: (node) => found(node, node.argument, true),
  };
  return { name: "layers", rules: { imports: { create: () => visitor } } };
}

/**
 * Reads the imports of a file: declarations, exports from elsewhere, dynamic imports,
 * types by `import()`, and `import … = require()`.
 *
 * @param file The file.
 * @returns The imports, in the order in which they stand there.
 */
export function readImports(file: SourceFile): Import[] {
  const imports: Import[] = [];
  const plugin = collector((node, source, typeOnly) => {
    const specifier = literalOf(source);
    const line = file.text.slice(0, node.range[0]).split("\n").length;
    imports.push({ ...(specifier !== undefined && { specifier }), typeOnly, line });
  });
  Deno.lint.runPlugin(plugin, file.path, file.text);
  return imports;
}

/** The part of the package that a file belongs to, such as `pool` or `manager`. */
function areaOf(path: string): string | undefined {
  if (path === ENTRYPOINT) return ENTRYPOINT;
  return /^src\/(?:([^/]+)\/.+|([^/]+)\.ts)$/.exec(path)?.slice(1).find(Boolean);
}

function isBench(path: string): boolean {
  return path.startsWith("bench/");
}

function layerOf(area: string | undefined): number {
  return LAYERS.findIndex((areas) => area !== undefined && areas.includes(area));
}

/** What is wrong with an import by a bench of another file of ours. */
function judgeBench(
  from: string,
  to: string,
  exports: Record<string, string>,
): string | undefined {
  if (to.startsWith("bench/")) return undefined;
  if (to.startsWith("tests/")) {
    return to.endsWith("_test.ts") ? "a test is no helper" : undefined;
  }
  const area = areaOf(to);
  if (area === undefined) return `${to} is no part of the package`;
  if (Object.values(exports).includes(`./${to}`)) return undefined;
  const [unit, measured] = Object.entries(MEASURED)
    .find(([path]) => from === path || from.startsWith(`${path}/`)) ?? [from, []];
  return BENCH_TOOLS.includes(area) || measured.includes(area)
    ? undefined
    : `${unit} does not measure ${area}`;
}

/** What is wrong with an import of one file of ours by another. */
function judgeOwn(
  from: string,
  to: string,
  exports: Record<string, string>,
): string | undefined {
  const [area, other] = [areaOf(from), areaOf(to)];
  if (to === SCHEMA) return undefined;
  if (other === undefined) return `${to} is no part of the package`;
  if (area === other) return undefined;
  if (area === COMMANDS) {
    const isAllowed = other === "core" || to === HISTOGRAM ||
      Object.values(exports).includes(`./${to}`);
    return isAllowed
      ? undefined
      : `${COMMANDS} imports entrypoints, core and the histogram only`;
  }
  if (other === COMMANDS || other === TEST_KIT) return `nothing imports ${other}`;
  if (area === TEST_KIT) {
    return other === "core" ? undefined : `${TEST_KIT} imports core only`;
  }
  if (area === ENTRYPOINT) return undefined;
  if (other === ENTRYPOINT) return `${COMMANDS} alone imports ${ENTRYPOINT}`;
  const [layer, below] = [layerOf(area), layerOf(other)];
  if (below < layer) return undefined;
  return below === layer
    ? `${area} and ${other} never import each other`
    : `${other} is above ${area}`;
}

/** What is wrong with an import of a package by a file of ours. */
function judgePackage(from: string, { specifier = "", typeOnly }: Import) {
  const name = specifier.replace(/^(?:npm|jsr):\/?/, "");
  const area = areaOf(from);
  for (const owner of OWNERS) {
    if (!new RegExp(`^${owner.name}(?:[@/]|$)`).test(name)) continue;
    if (area === owner.area || (typeOnly && owner.typesElsewhere)) return undefined;
    return `${owner.area} alone imports ${owner.name}${
      owner.typesElsewhere ? ", but for types" : ""
    }`;
  }
  return undefined;
}

/**
 * The file of ours that an import names, by its path or as part of the package.
 *
 * @param from Path of the file that imports.
 * @param specifier What it imports.
 * @param exports The package's entrypoints by subpath.
 * @returns The file's path; `undefined` where it is a package of others.
 */
export function resolve(
  from: string,
  specifier: string,
  exports: Record<string, string> = {},
): string | undefined {
  if (/^\.{0,2}\//.test(specifier)) {
    const { pathname } = new URL(specifier, `file:///${from}`);
    return pathname.slice(1);
  }
  const subpath = /^(?:jsr:\/?)?@mooring\/redis(?:@[^/]*)?(\/.*)?$/.exec(specifier);
  if (!subpath) return undefined;
  return exports[`.${subpath[1] ?? ""}`]?.replace(/^\.\//, "") ?? specifier;
}

function judge(
  from: string,
  imported: Import,
  exports: Record<string, string>,
): string | undefined {
  const { specifier } = imported;
  if (specifier === undefined) {
    // A bench loads its rivals by name.
    return isBench(from) ? undefined : "what it imports cannot be read";
  }
  const own = resolve(from, specifier, exports);
  if (isBench(from)) {
    return own === undefined ? undefined : judgeBench(from, own, exports);
  }
  return own === undefined ? judgePackage(from, imported) : judgeOwn(from, own, exports);
}

/**
 * Finds the imports that break the table of layers.
 *
 * @param files The files of the package.
 * @param exports The package's entrypoints by subpath, as `deno.json` has them.
 * @returns A line for each: file, line, what it imports and what is wrong with it.
 */
export function findViolations(
  files: readonly SourceFile[],
  exports: Record<string, string> = {},
): string[] {
  return files.flatMap((file) => {
    const { path } = file;
    const area = areaOf(path);
    const isPlaced = area === ENTRYPOINT || area === COMMANDS || area === TEST_KIT ||
      isBench(path);
    if (!isPlaced && layerOf(area) === -1) {
      return [`${path} belongs to no layer`];
    }
    return readImports(file).flatMap((imported) => {
      const wrong = judge(path, imported, exports);
      const what = imported.specifier ?? "something";
      return wrong ? [`${path}:${imported.line} imports ${what}: ${wrong}`] : [];
    });
  });
}

/** Names that a file exports itself, and the files whose exports it passes on. */
export interface Exports {
  /** Names, each once. */
  names: string[];
  /** What `export *` passes on. */
  from: string[];
}

/**
 * Reads what a file exports.
 *
 * @param file The file.
 * @returns Names and files.
 */
export function readExports(file: SourceFile): Exports {
  const names = new Set<string>();
  const from: string[] = [];
  const visitor: Deno.lint.LintVisitor = {
    ExportAllDeclaration: (node) => from.push(String(node.source.value)),
    ExportNamedDeclaration: ({ declaration, specifiers }) => {
      for (const { exported } of specifiers) {
        names.add(
          exported.type === "Identifier" ? exported.name : String(exported.value),
        );
      }
      if (declaration === null) return;
      const declared = declaration.type === "VariableDeclaration"
        ? declaration.declarations.map(({ id }) => id)
        : [(declaration as { id?: unknown }).id];
      for (const id of declared) {
        const { name } = (id ?? {}) as { name?: string };
        if (name !== undefined) names.add(name);
      }
    },
  };
  const plugin = { name: "exports", rules: { exports: { create: () => visitor } } };
  Deno.lint.runPlugin(plugin, file.path, file.text);
  return { names: [...names], from };
}

const CODE = /\.(?:[cm]?[jt]s|[jt]sx)$/;

async function* walk(root: string, folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(`${root}/${folder}`)) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* walk(root, path);
    else if (CODE.test(name)) yield path;
  }
}

/**
 * Reads the package's code: its entrypoint, all that is in `src`, and `bench`.
 *
 * @param root The folder of the package.
 * @returns The files, by path.
 */
export async function readPackageFiles(root: string): Promise<SourceFile[]> {
  const folders = ["src", "bench"].map((folder) => Array.fromAsync(walk(root, folder)));
  const paths = [ENTRYPOINT, ...(await Promise.all(folders)).flat().sort()];
  return await Promise.all(
    paths.map(async (path) => ({
      path,
      text: await Deno.readTextFile(`${root}/${path}`),
    })),
  );
}
