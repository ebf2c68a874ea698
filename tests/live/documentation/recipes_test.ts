/**
 * Examples that are whole programs, of one file or several: each is run as its document says.
 * They begin with the file's name, and are marked `ignore`, as `deno test --doc` has no files
 * beside them.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { freePort } from "../../../src/testing/ports.ts";
import { type RedisServer, startRedis } from "../../../src/testing/redis_server.ts";
import { waitFor, within } from "../../../src/testing/wait.ts";
import { configArgs } from "../../support/child_config.ts";
import { runDeno } from "../config/run_child.ts";

/** The files of each heading, by their names. */
type Programs = Map<string, Record<string, string>>;

/** Finds the programs of a document. */
function readPrograms(text: string): Programs {
  const programs: Programs = new Map();
  for (const section of text.split(/^## /m).slice(1)) {
    const heading = section.slice(0, section.indexOf("\n"));
    for (const [, code] of section.matchAll(/^```tsx? ignore\n([^]*?)^```$/gm)) {
      const name = /^\/\/ (\S+\.tsx?)\n/.exec(code!)?.[1];
      assert(name, `An example of "${heading}" is ignored and names no file`);
      programs.set(heading, { ...programs.get(heading), [name]: code! });
    }
  }
  return programs;
}

/** A program that runs; what it prints is collected. */
class Program implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #output: Promise<unknown>;
  text = "";

  constructor(folder: string, args: readonly string[], env: Record<string, string>) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [args[0]!, ...configArgs(), ...args.slice(1)],
      cwd: folder,
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#output = Promise.all(
      [this.#child.stdout, this.#child.stderr].map(async (stream) => {
        for await (const part of stream.pipeThrough(new TextDecoderStream())) {
          this.text += part;
        }
      }),
    );
  }

  /** Waits until it has printed something. */
  async until(text: string): Promise<void> {
    await waitFor(() => this.text.includes(text), {
      what: `"${text}"`,
      timeoutMs: 60_000,
    }).catch((error) => {
      throw new Error(`${error.message}; it printed:\n${this.text}`);
    });
  }

  terminate(): void {
    this.#child.kill("SIGTERM");
  }

  /** Waits for its end, which must be a success. */
  async succeeds(): Promise<string> {
    const { code } = await within(
      this.#child.status,
      60_000,
      "The end of the program",
    );
    await this.#output;
    assertEquals(code, 0, this.text);
    return this.text;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#child.status;
    await this.#output;
  }
}

/** What a test of a program has at hand. */
interface Stage {
  readonly server: RedisServer;
  readonly folder: string;
  /** Starts Deno in the folder of the program. */
  start(args: readonly string[], env?: Record<string, string>): Program;
}

/** Writes a program into a folder of its own, beside a server of its own. */
async function onStage(
  files: Record<string, string>,
  run: (stage: Stage) => Promise<void>,
): Promise<void> {
  // In the project: that is where "@mooring/redis" is found.
  await Deno.mkdir(".cache", { recursive: true });
  const folder = await Deno.makeTempDir({ dir: ".cache", prefix: "recipe-" });
  try {
    await using server = await startRedis();
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    const base = { REDIS_URL: server.url, HOSTNAME: "test" };
    await run({
      server,
      folder,
      start: (args, env) => new Program(folder, args, { ...base, ...env }),
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Programs that are not run here, and why. */
const NOT_RUN: Record<string, string> = { Fresh: "it is on JSR alone" };

const RUNS: Record<string, (stage: Stage) => Promise<void>> = {
  "A job queue with workers": async ({ server, start }) => {
    // What a worker had begun when it died.
    await server.cli("RPUSH", "mooring:jobs:test:0", "begun");
    await server.cli("RPUSH", "mooring:jobs", "a", "b");
    await using worker = start(["run", "-A", "worker.ts"]);
    for (const job of ["begun", "a", "b"]) await worker.until(`done: ${job}\n`);
    await server.cli("RPUSH", "mooring:jobs", "c");
    await worker.until("done: c\n");
    worker.terminate();
    assertStringIncludes(await worker.succeeds(), "stopped");
    assertEquals(await server.cli("KEYS", "mooring:*"), []);
  },
  "Jobs by the clock": async ({ folder, start }) => {
    // Five minutes are too long for a test: the job is called as Deno.cron would.
    const code = await Deno.readTextFile(`${folder}/cron.ts`);
    await Deno.writeTextFile(
      `${folder}/cron.ts`,
      `${code}\nconst minute = new Date().getMinutes();
      await Promise.all([cleanUp(), cleanUp()]);
      console.log(new Date().getMinutes() === minute ? "in one minute" : "in two");
      Deno.exit();`,
    );
    await using cron = start(["run", "-A", "--unstable-cron", "cron.ts"]);
    const text = await cron.succeeds();
    const most = text.includes("in one minute") ? 1 : 2;
    const times = text.split("cleaned up").length - 1;
    assert(times >= 1 && times <= most, text);
  },
  "Deno.serve and graceful shutdown": async ({ start }) => {
    const port = String(freePort());
    await using service = start(["run", "-A", "main.ts"], { PORT: port });
    const response = await waitFor(() => fetch(`http://127.0.0.1:${port}/`), {
      what: "the service",
      timeoutMs: 60_000,
    });
    assertEquals(await response.text(), "visit 1");
    service.terminate();
    assertStringIncludes(
      await service.succeeds(),
      "closed; 0 commands had no reply",
    );
  },
  "Workers of one process": async ({ server, start }) => {
    await using program = start(["run", "-A", "main.ts"]);
    assertStringIncludes(
      await program.succeeds(),
      `[ "worker 1 wrote", "worker 2 wrote" ]`,
    );
    assertEquals(await server.cli("GET", "mooring:worker:2"), "2");
    assertEquals(await server.clientList("mooring:"), []);
  },
  "deno compile": async ({ folder, start }) => {
    const yaml = "url: ${REDIS_URL}\ndatabases: { main: { db: 0 } }\n";
    await Deno.writeTextFile(`${folder}/redis-databases.yaml`, yaml);
    const flags = ["--allow-net", "--allow-env", "--allow-read"];
    // `deno compile` downloads what it puts the program into, which not every machine can.
    await using source = start(["run", ...flags, "service.ts"]);
    assertEquals(await source.succeeds(), "PONG\n");
  },
  "A server for each test": async ({ start }) => {
    await using test = start([
      "test",
      "-A",
      "--no-check",
      "--sanitize-ops",
      "visits_test.ts",
    ]);
    assertStringIncludes(await test.succeeds(), "1 passed");
  },
};

/** Files that import what is on JSR alone; their types cannot be checked everywhere. */
const UNCHECKED = /from "jsr:/;

const DOCUMENTS = ["src/RECIPES.md", "src/testing/README.md"];
const programs = await Promise.all(
  DOCUMENTS.map(async (path) => ({
    path,
    found: readPrograms(await Deno.readTextFile(path)),
  })),
);

Deno.test("the programs of the documents have the right types", async () => {
  await Deno.mkdir(".cache", { recursive: true });
  const folder = await Deno.makeTempDir({ dir: ".cache", prefix: "recipes-" });
  try {
    const files: string[] = [];
    for (
      const [i, texts] of programs.flatMap(({ found }) => [...found.values()]).entries()
    ) {
      await Deno.mkdir(`${folder}/${i}`);
      for (const [name, text] of Object.entries(texts)) {
        if (UNCHECKED.test(text)) continue;
        files.push(`${folder}/${i}/${name}`);
        await Deno.writeTextFile(files.at(-1)!, text);
      }
    }
    assert(files.length >= 6, `${files.length} files were found`);
    await runDeno(["check", ...files]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

for (const { path, found } of programs) {
  for (const [heading, files] of found) {
    if (heading in NOT_RUN) continue;
    Deno.test(`${path}: "${heading}" does what it says`, async () => {
      const run = RUNS[heading];
      assert(run, "It is ignored by deno test --doc and not run here either");
      await onStage(files, run);
    });
  }
}
