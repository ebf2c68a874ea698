/** A program of this folder in a process of its own, which can be frozen. */

import { within } from "../../../src/testing/wait.ts";
import { configArgs } from "../../support/child_config.ts";

/** By when a program has ended by itself, on a machine that may be busy, in milliseconds. */
const END_MS = 120_000;

const ROOT = new URL("../../../", import.meta.url);

/** What a program that ran to its end left behind. */
export interface Ended {
  readonly code: number;
  /** Standard output. */
  readonly out: string;
  /** Standard output and error, one after the other. */
  readonly text: string;
}

/** Runs a program of this folder to its end. */
export async function runChild(
  file: string,
  args: readonly string[],
  options: {
    permissions?: readonly string[];
    env?: Record<string, string>;
    endMs?: number;
  } = {},
): Promise<Ended> {
  const { permissions = ["-A"], env = {}, endMs = END_MS } = options;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", ...configArgs(), ...permissions],
      ...[new URL(file, import.meta.url).pathname, ...args],
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const { code, stdout, stderr } = await within(
    child.output(),
    endMs,
    `the end of ${file}`,
    () => child.kill("SIGKILL"),
  );
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out: out!, text: out! + err };
}

/** A running program of this folder: it is talked to line by line. */
export class Child implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: AsyncIterator<string>;

  private constructor(process: Deno.ChildProcess) {
    this.#process = process;
    this.#input = process.stdin.getWriter();
    this.#lines = lines(process.stdout)[Symbol.asyncIterator]();
  }

  /** Starts a program of this folder. */
  static start(file: string, args: readonly string[]): Child {
    const process = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", ...configArgs()],
        ...[new URL(file, import.meta.url).pathname, ...args],
      ],
      cwd: ROOT,
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    return new Child(process);
  }

  /** Says a line to it. */
  async say(line: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${line}\n`));
  }

  /** The next line that it says. */
  async hear(): Promise<string> {
    const { done, value } = await this.#lines.next();
    if (done) throw new Error("The child ended without a word");
    return value;
  }

  /** Asks it to end, as a service manager does. */
  terminate(): void {
    this.#process.kill("SIGTERM");
  }

  /** The code that it ended with. */
  async ended(): Promise<number> {
    return (await within(this.#process.status, END_MS, "the end of the child")).code;
  }

  /** Stops its process as it is. */
  freeze(): void {
    this.#process.kill("SIGSTOP");
  }

  /** Lets it go on. */
  thaw(): void {
    this.#process.kill("SIGCONT");
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#lines.return?.();
    await this.#process.status;
  }
}

async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}
