/**
 * Runs the programs of `programs/` on servers of their own, behind a proxy that cuts.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { configArgs } from "../../support/child_config.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { assertNoConnectionsLeft, delay } from "../../support/clients.ts";
import { within } from "../../../src/testing/wait.ts";
import { LIBRARIES, type LibraryTest } from "./_libraries.ts";
import {
  type ClientKind,
  OUTCOME,
  type Outcome,
  REQUEST,
  type Request,
} from "./programs/_program.ts";

/** Whether all libraries are tested: `deno task test:libraries` says so. */
const ALL = Deno.env.get("MOORING_LIBRARIES") === "all";

/** How long nobody can connect in an outage, in milliseconds. */
const OUTAGE_MS = 3000;

/** By when a program has done its work on a busy machine, in milliseconds. */
const WORK_MS = 180_000;

/** By when a program that has closed everything has ended by itself, in milliseconds. */
const END_MS = 20_000;

const PROGRAMS = new URL("./programs/", import.meta.url);

function pathOf(program: string): string {
  return new URL(`${program}.ts`, PROGRAMS).pathname;
}

/** Runs a command of Deno on programs; returns what it complains of, if it fails. */
async function complaints(
  command: string,
  programs: readonly string[],
): Promise<string | undefined> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [command, ...configArgs(), ...programs.map(pathOf)],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  return code === 0 ? undefined : new TextDecoder().decode(stderr);
}

/** Downloads what programs import, and says whether npm could be reached for it. */
async function download(programs: readonly string[]): Promise<boolean> {
  const text = await complaints("cache", programs);
  if (!text?.includes("error sending request")) return true;
  console.error(`Libraries are not tested, as npm cannot be reached:\n${text}`);
  return false;
}

/** Looks how many connections a server has, again and again. */
class ConnectionMeter implements AsyncDisposable {
  /** The most that were seen. */
  most = 0;
  readonly #server: RedisServer;
  readonly #stop = new AbortController();
  readonly #looking: Promise<void>;

  constructor(server: RedisServer) {
    this.#server = server;
    this.#looking = this.#look();
  }

  /** Looks no more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#looking;
  }

  async #look(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const { length } = await this.#server.clientList();
      this.most = Math.max(this.most, length);
      await delay(20);
    }
  }
}

/** What a program works on. */
interface Place {
  readonly server: RedisServer;
  readonly proxy: FaultProxy;
  readonly meter: ConnectionMeter;
}

async function answer(
  request: Request,
  { proxy, meter }: Place,
): Promise<string> {
  switch (request) {
    case "cut":
      proxy.reset();
      return "done";
    case "outage":
      await proxy.refuse();
      proxy.reset();
      await delay(OUTAGE_MS);
      await proxy.listen();
      return "done";
    case "connections":
      await meter[Symbol.asyncDispose]();
      return String(meter.most);
  }
}

/** Does what the program asks for, line by line, until it says what came of its work. */
async function serve(
  child: Deno.ChildProcess,
  place: Place,
): Promise<{ outcome?: Outcome; printed: string }> {
  const input = child.stdin.getWriter();
  const lines = child.stdout.pipeThrough(new TextDecoderStream());
  let [text, printed] = ["", ""];
  let outcome: Outcome | undefined;
  for await (const chunk of lines) {
    const complete = (text + chunk).split("\n");
    text = complete.pop()!;
    for (const line of complete) {
      if (line.startsWith(REQUEST)) {
        const reply = await answer(line.slice(REQUEST.length) as Request, place);
        await input.write(new TextEncoder().encode(`${reply}\n`));
      } else if (line.startsWith(OUTCOME)) {
        outcome = JSON.parse(line.slice(OUTCOME.length));
      } else printed += `${line}\n`;
    }
  }
  await input.close().catch(() => {}); // The child has ended.
  return { ...(outcome && { outcome }), printed };
}

/** What came of a program. */
interface Ran extends Outcome {
  /** What it printed beside. */
  readonly text: string;
}

/**
 * Runs a program to its end: it must end by itself and leave no connection behind.
 *
 * @param program Its name, without `.ts`.
 * @param kind Whose clients it uses.
 * @returns What came of its work.
 */
export async function runProgram(program: string, kind: ClientKind): Promise<Ran> {
  await using server = await RedisServer.start();
  await using proxy = await FaultProxy.start({ to: server });
  await using meter = new ConnectionMeter(server);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", ...configArgs(), pathOf(program), kind, String(proxy.port)],
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const errors = new Response(child.stderr).text();
  const name = `${program} on clients of ${kind}`;
  const kill = () => child.kill("SIGKILL");
  try {
    const served = serve(child, { server, proxy, meter });
    const { outcome, printed } = await within(
      served,
      WORK_MS,
      `The work of ${name}`,
      kill,
    );
    const { code } = await within(child.status, END_MS, `The end of ${name}`, kill);
    const text = printed + await errors;
    assertEquals(code, 0, `${name} ended with ${code}:\n${text}`);
    assert(outcome, `${name} told no outcome:\n${text}`);
    await assertNoConnectionsLeft(server);
    return { ...outcome, text };
  } catch (error) {
    await child.status;
    throw new Error(`${name} failed. It printed:\n${await errors}`, { cause: error });
  }
}

/**
 * How many tasks more than with ioredis' clients may be done again. Clients of either kind
 * send again what was cut before its reply came, so that it may be done twice; how much the
 * cuts meet is chance. So many jobs are under way at once.
 */
const CHANCE = 8;

/** What a library is held to that could not do its work with ioredis' own clients. */
const NOTHING_LOST = { lost: 0, repeated: 0, stuck: 0 };

/** Holds what came of the work with the manager's clients to what ioredis' own came to. */
function assertNoWorse(managed: Ran, plain: typeof NOTHING_LOST): void {
  const text = Deno.inspect({ managed, plain });
  assert(managed.lost <= plain.lost, `Work was lost: ${text}`);
  assert(managed.repeated <= plain.repeated + CHANCE, `Work was done again: ${text}`);
  assert(managed.stuck <= plain.stuck, `Jobs are stuck: ${text}`);
}

/** Programs that are run: those of all libraries, or those of the whole suite. */
const wanted: readonly string[] = Object.values<readonly LibraryTest[]>(LIBRARIES).flat()
  .filter(({ always }) => always || ALL)
  .map(({ program }) => program);

/** Holds the programs that are run to the types of their libraries. */
export async function testTypes(): Promise<void> {
  Deno.test({
    name: "the manager's clients fit the types of the libraries",
    ignore: !await download(wanted),
    fn: async () => assertEquals(await complaints("check", wanted), undefined),
  });
}

/**
 * Tests libraries: each works through the same faults with clients of ioredis and of the
 * manager, in processes that must end by themselves and leave no connection behind.
 *
 * @param name Their group.
 */
export async function testLibraries(name: keyof typeof LIBRARIES): Promise<void> {
  const group: readonly LibraryTest[] = LIBRARIES[name];
  const programs = group.map(({ program }) => program)
    .filter((program) => wanted.includes(program));
  const there = programs.length > 0 && await download(programs);
  for (const { library, program, connections = 1 } of group) {
    Deno.test({
      name: `${library} does its work through cuts and an outage, and ends`,
      ignore: !there || !programs.includes(program),
      async fn() {
        const kinds = ["ioredis", "manager"] as const;
        const runs = kinds.map((kind) => runProgram(program, kind));
        const [plain] = await Promise.allSettled(runs); // Both are over before the test is.
        const managed = await runs[1]!;
        // Bottleneck hangs on ioredis' own clients now and then.
        if (plain!.status === "rejected") console.error(plain!.reason);
        assertNoWorse(
          managed,
          plain!.status === "fulfilled" ? plain!.value : NOTHING_LOST,
        );
        const text = `${managed.connections} connections, ${connections} are documented`;
        assert(managed.connections <= connections, text);
      },
    });
  }
}
