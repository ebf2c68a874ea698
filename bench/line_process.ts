import { FOLDER } from "./kit.ts";

const encoder = new TextEncoder();

/**
 * The configuration that the programs of a package are run with: the generated one, where
 * there is one.
 *
 * @param folder Folder of the package, with a slash at the end.
 * @returns Path of the file.
 */
export function configFile(folder: string): string {
  try {
    Deno.statSync(`${folder}deno.local.json`);
    return `${folder}deno.local.json`;
  } catch {
    return `${folder}deno.json`;
  }
}

/** What a process is started with. */
export interface LineProcessOptions {
  /** The program. */
  readonly script: URL;
  /** Folder of the package whose configuration it runs with, with a slash at the end.
   * Default: this package. */
  readonly folder?: string;
  /** Its arguments. */
  readonly args: readonly string[];
  /** Its environment, beside that of this process. */
  readonly env?: Record<string, string>;
}

/**
 * A program that is asked by lines on its standard input, and answers each with one on its
 * standard output: what is measured has a process of its own, as at a user's. It says a
 * line by itself when it is ready.
 */
export class LineProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  #rest = "";

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#input = child.stdin.getWriter();
  }

  /**
   * Starts a program.
   *
   * @param options Which.
   * @returns The process, once it is ready.
   * @throws {Error} If it ends before.
   */
  static async start(options: LineProcessOptions): Promise<LineProcess> {
    const { args, env = {}, folder = FOLDER, script } = options;
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "--quiet", "--no-check"],
        ...["--config", configFile(folder), script.pathname, ...args],
      ],
      env,
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const process = new LineProcess(child);
    await process.#readLine();
    return process;
  }

  /**
   * Asks it something.
   *
   * @param line The question, in one line.
   * @returns The line that it answers.
   * @throws {Error} If it ends before.
   */
  async ask(line: string): Promise<string> {
    await this.#input.write(encoder.encode(`${line}\n`));
    return await this.#readLine();
  }

  /** Ends its input, and waits until it has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    await this.#lines.cancel();
    await this.#child.status;
  }

  async #readLine(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf("\n");
      if (end >= 0) {
        const line = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end + 1);
        return line;
      }
      const { done, value } = await this.#lines.read();
      if (done) throw new Error("A process that is measured has ended");
      this.#rest += value;
    }
  }
}

/**
 * The other side of a {@linkcode LineProcess}: answers each line of the standard input,
 * until it ends.
 *
 * @param answer Makes the answer to a line, itself one line.
 */
export async function answerLines(
  answer: (line: string) => Promise<string>,
): Promise<void> {
  const say = (text: string) => Deno.stdout.writeSync(encoder.encode(`${text}\n`));
  say("ready");
  // One question at a time: each chunk is a whole line.
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    say(await answer(text.trim()));
  }
}
