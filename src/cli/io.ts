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
