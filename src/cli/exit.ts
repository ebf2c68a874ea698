/** What the exit codes of all commands mean. */
export const ExitCode = {
  /** Everything is as it should be. */
  OK: 0,
  /** It works, and something deserves a look. */
  WARNINGS: 1,
  /** Something does not work, or the command could not do what it was asked for. */
  FAILED: 2,
  /** The command was called wrongly: `EX_USAGE` of sysexits.h. */
  USAGE: 64,
  /** The program is wrong: `EX_SOFTWARE` of sysexits.h. */
  BUG: 70,
  /** Nobody reads the output any more: what a shell gives for SIGPIPE. */
  BROKEN_PIPE: 141,
} as const;

/** Ends a command with an exit code of its own, and a sentence if there is one to say. */
export class CliExit extends Error {
  /** The exit code. */
  readonly exitCode: number;

  /**
   * Makes one.
   *
   * @param exitCode The exit code.
   * @param message What is said on standard error; nothing by default.
   */
  constructor(exitCode: number, message: string = "") {
    super(message);
    this.name = "CliExit";
    this.exitCode = exitCode;
  }
}
