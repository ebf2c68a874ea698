/**
 * What commands read and write: the terminal, its colours, and the exit code.
 *
 * @module
 */
import process from "node:process";
import { stripVTControlCharacters, styleText } from "node:util";

/** What a command of the command line reads and writes: the terminal's, or a test's. */
export interface CliIo {
  /** Writes to standard output: the result, and nothing else. */
  out(text: string): void;
  /** Writes to standard error: progress, warnings, errors. */
  err(text: string): void;
  /** Whether standard output is a terminal. */
  readonly isTerminal: boolean;
  /** Whether standard error is a terminal: progress is drawn only there. */
  readonly isErrTerminal: boolean;
  /** Whether to use colours: on a terminal only, and never with `NO_COLOR`. */
  readonly useColor: boolean;
  /** Width of the terminal in characters; 80 where there is none. */
  readonly columns: number;
  /** A variable of the environment; `undefined` if it is not set or may not be read. */
  env(name: string): string | undefined;
}

/** What the exit codes of all commands mean. */
export const ExitCode = {
  /** All checks passed. */
  OK: 0,
  /** It works, with warnings. */
  WARNINGS: 1,
  /** Something does not work, or the command failed. */
  FAILED: 2,
  /** Wrong usage: `EX_USAGE` of sysexits.h. */
  USAGE: 64,
  /** A bug of the program: `EX_SOFTWARE` of sysexits.h. */
  BUG: 70,
  /** What a shell gives for SIGINT. */
  INTERRUPTED: 130,
  /** The output is no longer read: what a shell gives for SIGPIPE. */
  BROKEN_PIPE: 141,
} as const;

/** Ends a command with an exit code, and with a message on standard error if there is one. */
export class CliExit extends Error {
  /** The exit code. */
  readonly exitCode: number;

  /** Takes the exit code, and what is written to standard error. */
  constructor(exitCode: number, message: string = "") {
    super(message);
    this.name = "CliExit";
    this.exitCode = exitCode;
  }
}

const STYLES = ["bold", "dim", "red", "green", "yellow"] as const;

/** Functions that style text for a terminal. */
type Paint = Readonly<Record<typeof STYLES[number], (text: string) => string>>;

/** Makes the functions that style text; without colours they return it unchanged. */
export function makePaint(useColor: boolean): Paint {
  const paints = STYLES.map((style) => [
    style,
    (text: string) => useColor ? styleText(style, text, { validateStream: false }) : text,
  ]);
  return Object.fromEntries(paints);
}

/** Columns where the width of the terminal is not known. */
const COLUMNS = 80;
const encoder = new TextEncoder();

function writeAll(target: typeof Deno.stdout, text: string): void {
  const bytes = encoder.encode(text);
  for (let sent = 0; sent < bytes.byteLength;) {
    sent += target.writeSync(bytes.subarray(sent));
  }
}

/** The input and output of this process; it never prompts for a permission. */
export function terminalIo(): CliIo {
  const isTerminal = Deno.stdout.isTerminal();
  return {
    out: (text) => writeAll(Deno.stdout, text),
    err: (text) => writeAll(Deno.stderr, text),
    isTerminal,
    isErrTerminal: Deno.stderr.isTerminal(),
    useColor: isTerminal && !Deno.noColor,
    get columns() {
      return isTerminal && process.stdout.columns || COLUMNS;
    },
    env: (variable) => {
      const { state } = Deno.permissions.querySync({ name: "env", variable });
      return state === "granted" ? Deno.env.get(variable) : undefined;
    },
  };
}

/**
 * Breaks a line between words, where it is longer than the terminal is wide. What goes to a
 * file or another program stays one line, as `grep` and others expect.
 *
 * @param io Where it is written.
 * @param text The line; escapes for colours take no room.
 * @param indent How many spaces the following lines begin with.
 * @returns The line, or lines.
 */
export function wrap(io: CliIo, text: string, indent: number): string {
  if (!io.isTerminal) return text;
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/(?<=\S) /)) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (stripVTControlCharacters(longer).length > io.columns && line !== "") {
      lines.push(line);
      line = " ".repeat(indent) + word.trimStart();
    } else line = longer;
  }
  return [...lines, line].join("\n");
}

/** Writes a value as indented JSON. */
export function printJson(io: CliIo, value: unknown): void {
  io.out(`${JSON.stringify(value, null, 2)}\n`);
}

/** Ctrl-C, an order to end, and the end of the terminal. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Aborts a signal at the first of them; the second one ends the process. */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #listener: () => void;

  /** Takes what runs when it is interrupted. */
  constructor(onInterrupt: () => void = () => {}) {
    this.#listener = () => {
      this[Symbol.dispose]();
      this.#controller.abort();
      onInterrupt();
    };
    for (const name of SIGNALS) Deno.addSignalListener(name, this.#listener);
  }

  /** Aborted when the user or the system wants the command to end. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Stops listening. */
  [Symbol.dispose](): void {
    for (const name of SIGNALS) Deno.removeSignalListener(name, this.#listener);
  }
}
