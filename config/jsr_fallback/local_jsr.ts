/**
 * A JSR on loopback, which serves packages from folders: the list of versions, the list of
 * files with their checksums, and the files. `JSR_URL` makes Deno use it.
 *
 * @module
 */

import { findPackages, type Package, readPackage } from "./packages.ts";

/** A package as it is published. */
interface Published {
  name: string;
  version: string;
  exports: Record<string, string>;
  /** Contents by path, such as `/mod.ts`. */
  files: Map<string, Uint8Array<ArrayBuffer>>;
}

/** A registry that runs. */
export interface LocalJsr extends AsyncDisposable {
  /** Its address, such as `http://127.0.0.1:34567/`. */
  url: string;
}

type Imports = Readonly<Record<string, string>>;

/** What does not belong to a package of std: tests, and what they read. */
const NOT_STD = /_test\.tsx?$|\.snap$|^(?:testdata|_tools|node_modules|\..*)$/;

async function* walk(folder: string, path = ""): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder + path)) {
    if (NOT_STD.test(name)) continue;
    if (isDirectory) yield* walk(folder, `${path}/${name}`);
    else yield `${path}/${name}`;
  }
}

/** Whether a path is in what `publish.include` names: files, folders, and `*` in a name. */
function isIncluded(path: string, include: readonly string[]): boolean {
  return include.some((pattern) => {
    const source = pattern.split("*").map(RegExp.escape).join("[^/]*");
    return new RegExp(`^/${source}(?:/|$)`).test(path);
  });
}

/** Writes what an import map makes of the specifiers in their place, as publishing does. */
function unfurl(text: string, imports: Imports): string {
  const specifier = /((?:\bfrom|\bimport)\s*\(?\s*)"([^"\n]+)"/g;
  return text.replace(specifier, (whole, before, written: string) => {
    const name = /^(?:@[^/]+\/)?[^/]+/.exec(written)![0];
    const target = imports[name];
    return target ? `${before}"${target}${written.slice(name.length)}"` : whole;
  });
}

async function publish(
  { folder, name, version, exports }: Package,
  imports: Imports,
  include?: readonly string[],
): Promise<Published> {
  const files: Published["files"] = new Map();
  for await (const path of walk(folder)) {
    if (include !== undefined && !isIncluded(path, include)) continue;
    const file = `${folder}${path}`;
    const isCode = /\.tsx?$/.test(path);
    files.set(
      path,
      isCode
        ? new TextEncoder().encode(unfurl(await Deno.readTextFile(file), imports))
        : await Deno.readFile(file),
    );
  }
  return {
    name,
    version,
    exports: typeof exports === "string" ? { ".": exports } : exports,
    files,
  };
}

async function listFiles(files: Published["files"]) {
  const manifest: Record<string, { size: number; checksum: string }> = {};
  for (const [path, bytes] of files) {
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    manifest[path] = { size: bytes.length, checksum: `sha256-${hash.toHex()}` };
  }
  return manifest;
}

async function answer(
  packages: ReadonlyMap<string, Published>,
  path: string,
): Promise<Response> {
  const [, name = "", rest = ""] = /^\/(@[^/]+\/[^/]+)\/(.+)$/.exec(path) ?? [];
  const found = packages.get(name);
  if (found !== undefined) {
    const { version, exports, files } = found;
    const [scope, plain] = name.slice(1).split("/");
    if (rest === "meta.json") {
      const versions = { [version]: {} };
      return Response.json({ scope, name: plain, latest: version, versions });
    }
    if (rest === `${version}_meta.json`) {
      return Response.json({ manifest: await listFiles(files), exports });
    }
    const bytes = rest.startsWith(`${version}/`) && files.get(rest.slice(version.length));
    const type = rest.endsWith(".ts") ? "text/typescript" : "text/plain";
    if (bytes) return new Response(bytes, { headers: { "content-type": type } });
  }
  return new Response("There is no such file", { status: 404 });
}

/**
 * Starts a registry that serves std, and a project as it would be published.
 *
 * @param checkout Absolute path of a checkout of denoland/std.
 * @param project Absolute path of a folder with a `deno.json`.
 * @returns The registry.
 */
export async function startLocalJsr(
  checkout: string,
  project: string,
): Promise<LocalJsr> {
  const std = await findPackages(checkout);
  const ofStd = Object.fromEntries(
    std.map(({ name, version }) => [name, `jsr:${name}@^${version}`]),
  );
  const own: { imports: Imports; publish: { include: string[] } } = JSON.parse(
    await Deno.readTextFile(`${project}/deno.json`),
  );
  const published = await Promise.all([
    publish(await readPackage(project), own.imports, own.publish.include),
    ...std.map((each) => publish(each, ofStd)),
  ]);
  const packages = new Map(published.map((each) => [each.name, each]));
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => answer(packages, decodeURIComponent(new URL(request.url).pathname)),
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
