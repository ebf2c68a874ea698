/**
 * A server process that ends with the process that started it.
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
  /** File that its output is appended to. */
  logFile: string;
  /** Folder to remove if this process ends without having ended the server. Default: none. */
  orphanDir?: string;
}

// Deno cannot give a child a file as stdout; the shell can, and `exec` keeps the pid.
const RUN = 'log=$1; shift; exec "$@" >>"$log" 2>&1 </dev/null';

// Kills the server when its standard input ends without a line. The pipe's other end is in
// this process, so the kernel closes it however this process ends (SIGKILL and an exhausted
// heap included), while an "unload" listener would not always run.
const GUARD = `read -r _ || { kill -KILL "$1"; [ -z "$2" ] || rm -rf "$2" ||
  { sleep 1; rm -rf "$2"; }; } 2>/dev/null`;

type State =
  | { name: "running"; child: Deno.ChildProcess; guard: Deno.ChildProcess }
  | { name: "ended"; status: Deno.CommandStatus };

/** One run of a server program. */
export class ServerProcess implements AsyncDisposable {
  /** Process id. */
  readonly pid: number;
  /** Resolves when the process and its guard have ended. */
  readonly ended: Promise<Deno.CommandStatus>;
  #state: State;

  private constructor(child: Deno.ChildProcess, guard: Deno.ChildProcess) {
    this.pid = child.pid;
    this.#state = { name: "running", child, guard };
    this.ended = this.#watch(child, guard);
  }

  /** Starts the program. It may not serve yet when this returns. */
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
      detached: true, // a signal to the process group must not end it
    }).spawn();
    // A server must not keep this process alive.
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

  /** Ends the process with SIGTERM, and with SIGKILL after `graceMs` (default 10,000). */
  async stop(graceMs = 10_000): Promise<void> {
    this.#ref();
    this.signal("SIGTERM");
    this.signal("SIGCONT"); // a stopped process does not handle SIGTERM
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
    // The guard has ended already.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
  await guard.status;
}
