/**
 * A server process of the tests that cannot outlive them.
 *
 * @module
 */

import { within } from "./wait.ts";

/** What {@linkcode ServerProcess.spawn} starts. */
export interface ServerProcessOptions {
  /** The executable. */
  command: string;
  /** Its arguments. */
  args: readonly string[];
  /** File that everything it prints is appended to. */
  logFile: string;
  /** Folder to remove if this process dies without ending the server. Default: none. */
  orphanDir?: string;
}

// Deno cannot give a child a file as stdout; the shell can, and `exec` keeps the pid.
const RUN = 'log=$1; shift; exec "$@" >>"$log" 2>&1 </dev/null';

// Ends the server when its standard input ends without a line: the pipe's other end is in
// the tests' process, so the kernel closes it however that process ends (SIGKILL and an
// exhausted heap too), where an "unload" listener would not always run.
const GUARD = `read -r _ || { kill -KILL "$1"; [ -z "$2" ] || rm -rf "$2" ||
  { sleep 1; rm -rf "$2"; }; } 2>/dev/null`;

type State =
  | { name: "running"; child: Deno.ChildProcess; guard: Deno.ChildProcess }
  | { name: "ended"; status: Deno.CommandStatus };

/** One run of a server program. It is over once and never comes back. */
export class ServerProcess implements AsyncDisposable {
  /** Process id. */
  readonly pid: number;
  /** Resolves when the process is gone and nothing of it is left here. */
  readonly ended: Promise<Deno.CommandStatus>;
  #state: State;

  private constructor(child: Deno.ChildProcess, guard: Deno.ChildProcess) {
    this.pid = child.pid;
    this.#state = { name: "running", child, guard };
    this.ended = this.#watch(child, guard);
  }

  /** Starts the program. That it serves is for the caller to find out. */
  static spawn(options: ServerProcessOptions): ServerProcess {
    const { command, args, logFile, orphanDir = "" } = options;
    const child = new Deno.Command("sh", {
      args: ["-c", RUN, "sh", logFile, command, ...args],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const guard = new Deno.Command("sh", {
      args: ["-c", GUARD, "sh", String(child.pid), orphanDir],
      stdin: "piped",
      stdout: "null",
      stderr: "null",
      detached: true, // what is sent to the whole process group must not end it
    }).spawn();
    // A server alone must not keep the tests' process alive.
    child.unref();
    guard.unref();
    return new ServerProcess(child, guard);
  }

  /** Whether the process has not ended yet. */
  get running(): boolean {
    return this.#state.name === "running";
  }

  /** Sends a signal, if the process still runs. */
  signal(signal: Deno.Signal): void {
    if (this.#state.name === "running") this.#state.child.kill(signal);
  }

  /** Asks the process to end, and ends it by force after `graceMs` (default 10000). */
  async stop(graceMs = 10_000): Promise<void> {
    this.#ref();
    this.signal("SIGTERM");
    this.signal("SIGCONT"); // a stopped process cannot obey
    await within(this.ended, graceMs, `The end of process ${this.pid}`)
      .catch(() => this.kill());
  }

  /** Ends the process at once, with SIGKILL. */
  async kill(): Promise<void> {
    this.#ref();
    this.signal("SIGKILL");
    await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #ref(): void {
    if (this.#state.name === "ended") return;
    this.#state.child.ref();
    this.#state.guard.ref();
  }

  async #watch(
    child: Deno.ChildProcess,
    guard: Deno.ChildProcess,
  ): Promise<Deno.CommandStatus> {
    const status = await child.status;
    this.#state = { name: "ended", status };
    await dismiss(guard);
    return status;
  }
}

async function dismiss(guard: Deno.ChildProcess): Promise<void> {
  guard.ref();
  const writer = guard.stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode("\n"));
    await writer.close();
  } catch (error) {
    // Somebody ended the guard: then there is nothing to dismiss.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
  await guard.status;
}
