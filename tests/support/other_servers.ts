/**
 * Lays out Redis and Valkey servers of other versions, without installing them: packages
 * of Debian's other suites are unpacked into a folder, with the libraries they need.
 *
 * `deno run -A tests/support/other_servers.ts [NAME…]` lays out the named servers (all
 * when none is named), and prints a line for each: its name, version and executable. Any
 * task then takes one: `REDIS_SERVER=… deno task test`.
 *
 * @module
 */

/** The folder to lay out in; `~/.cache/mooring-servers` when the variable is not set. */
const FOLDER = "MOORING_SERVERS";

/** Which suite of Debian has which server. */
const SUITES: Readonly<Record<string, string>> = {
  "redis-8": "sid",
  "redis-8.0": "trixie",
  "valkey-9": "sid",
  "valkey-8.1": "trixie",
  "valkey-8.0": "bookworm-backports",
};

/** Names of the servers that can be laid out. */
export const OTHER_SERVERS: readonly string[] = Object.keys(SUITES);

/** Programs of the packages; the server is also the one that checks and watches. */
const PROGRAMS = ["server", "sentinel", "cli", "benchmark", "check-rdb", "check-aof"];

/** A server that is laid out. */
export interface OtherServer {
  /** One of {@linkcode OTHER_SERVERS}. */
  name: string;
  /** Its version, such as `8.0.6`. */
  version: string;
  /** Full name of its executable, for `REDIS_SERVER`. */
  executable: string;
}

/**
 * Lays out a server, unless the folder holds it already.
 *
 * @param name One of {@linkcode OTHER_SERVERS}.
 * @param folder Absolute path of the folder to lay out in.
 * @returns The server.
 * @throws {Error} If the server cannot be laid out on this machine; the message says why.
 */
export async function layOutServer(name: string, folder: string): Promise<OtherServer> {
  const suite = SUITES[name];
  if (suite === undefined) {
    throw new Error(
      `Cannot lay out "${name}": the servers are ${OTHER_SERVERS.join(", ")}`,
    );
  }
  const at = `${folder}/${name}`;
  await Deno.mkdir(folder, { recursive: true });
  using lock = await Deno.open(`${at}.lock`, { create: true, write: true });
  await lock.lock(true);
  const executable = `${at}/bin/redis-server`;
  // The wrappers are the last step: where one is, the layout is complete.
  if (!await exists(executable)) {
    await remove(at);
    await unpack(name.split("-")[0]!, suite, at);
    await writeWrappers(name.split("-")[0]!, at);
  }
  const said = await run(executable, ["--version"]);
  return { name, version: /v=(\S+)/.exec(said)?.[1] ?? said.trim(), executable };
}

/** Unpacks a server and the libraries below it into `<at>/fs`. */
async function unpack(product: string, suite: string, at: string): Promise<void> {
  const apt = `${at}.apt`;
  await remove(apt);
  for (const path of ["lists/partial", "cache/archives/partial", "debs"]) {
    await Deno.mkdir(`${apt}/${path}`, { recursive: true });
  }
  try {
    const options = await writeAptConfig(apt, suite);
    await run("apt-get", [...options, "update"]);
    const depends = await run("apt-cache", [
      ...options,
      "depends",
      "--recurse",
      ...["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"]
        .map((relation) => `--no-${relation}`),
      `${product}-server`,
      `${product}-tools`,
    ]);
    // Not the packages that set up a machine (users, services); none is a virtual name.
    const packages = new Set(depends.match(/^(?:redis|valkey|lib)[^\s:]*$/gm));
    await run("apt-get", [...options, "download", ...packages], `${apt}/debs`);
    await Deno.mkdir(at);
    for await (const { name } of Deno.readDir(`${apt}/debs`)) {
      await run("dpkg", ["-x", `${apt}/debs/${name}`, `${at}/fs`]);
    }
  } finally {
    await remove(apt);
  }
}

/** Writes what apt needs to know of another suite, apart from the system's; its options. */
async function writeAptConfig(apt: string, suite: string): Promise<string[]> {
  const mirror = await debianMirror();
  // Backports depend on packages of their suite.
  const suites = new Set([suite, suite.replace(/-backports$/, "")]);
  const source = (suite: string) =>
    `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror} ${suite} main`;
  await Deno.writeTextFile(
    `${apt}/sources.list`,
    [...suites].map((suite) => `${source(suite)}\n`).join(""),
  );
  await Deno.writeTextFile(`${apt}/status`, "");
  return [
    "-qq",
    `-oDir::Etc::sourcelist=${apt}/sources.list`,
    "-oDir::Etc::sourceparts=/dev/null",
    `-oDir::State::Lists=${apt}/lists`,
    `-oDir::State::status=${apt}/status`,
    `-oDir::Cache=${apt}/cache`,
    "-oAcquire::Languages=none",
    "-oAPT::Sandbox::User=root",
  ];
}

/** The mirror of Debian that this machine installs from. */
async function debianMirror(): Promise<string> {
  const files = ["/etc/apt/sources.list"];
  try {
    for await (const { name } of Deno.readDir("/etc/apt/sources.list.d")) {
      if (/\.(?:list|sources)$/.test(name)) files.push(`/etc/apt/sources.list.d/${name}`);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  for (const file of files) {
    const text = await Deno.readTextFile(file).catch(() => "");
    const mirror = /^[^#\n]*?(https?:\/\/\S+\/debian)\/?(?:\s|$)/m.exec(text)?.[1];
    if (mirror !== undefined) return mirror;
  }
  throw new Error("No package source of Debian is configured on this machine");
}

/**
 * Writes a program for each of the server's, under the names of Redis and under its own.
 * Each starts the unpacked one with the unpacked libraries, and `exec` keeps the pid.
 */
async function writeWrappers(product: string, at: string): Promise<void> {
  const loader = (await find(at, ["-name", "ld-linux-*.so.*"]))[0];
  const server = `${at}/fs/usr/bin/${product}-server`;
  if (loader === undefined || !await exists(server)) {
    throw new Error(`The packages hold no ${product}-server that can be started`);
  }
  const files = await find(at, ["-name", "*.so*"]);
  const libraries = new Set(files.map((file) => file.slice(0, file.lastIndexOf("/"))));
  await Deno.mkdir(`${at}/bin`, { recursive: true });
  for (const program of PROGRAMS.toReversed()) {
    const own = `${at}/fs/usr/bin/${product}-${program}`;
    const real = await Deno.realPath(await exists(own) ? own : server);
    for (const name of new Set([`${product}-${program}`, `redis-${program}`])) {
      const text = `#!/bin/sh\nexec "${loader}" --argv0 "${product}-${program}" ` +
        `--library-path "${[...libraries].join(":")}" "${real}" "$@"\n`;
      await Deno.writeTextFile(`${at}/bin/${name}`, text, { mode: 0o755 });
    }
  }
}

async function find(at: string, criteria: string[]): Promise<string[]> {
  const found = await run("find", [`${at}/fs`, ...criteria]);
  return found.split("\n").filter((path) => path !== "");
}

async function run(command: string, args: string[], cwd?: string): Promise<string> {
  const { success, code, stdout, stderr } = await new Deno.Command(command, {
    args,
    cwd,
    stdin: "null",
  }).output();
  if (success) return new TextDecoder().decode(stdout);
  const said = new TextDecoder().decode(stderr).trim().split("\n").slice(-3).join(" ");
  throw new Error(`${command} ended with code ${code} (${said})`);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function remove(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

if (import.meta.main) {
  const folder = Deno.env.get(FOLDER) || `${Deno.env.get("HOME")}/.cache/mooring-servers`;
  for (const name of Deno.args.length > 0 ? Deno.args : OTHER_SERVERS) {
    try {
      const { version, executable } = await layOutServer(name, folder);
      console.log(`${name} ${version} ${executable}`);
    } catch (error) {
      console.error(`${name} cannot be laid out: ${(error as Error).message}`);
      Deno.exitCode = 1;
    }
  }
}
