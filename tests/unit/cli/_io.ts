/** What commands read and write, kept for a look. */
import type { CliIo } from "../../../src/cli/terminal.ts";

/** Input and output of a test. */
export interface TestIo extends CliIo {
  /** What was written to standard output. */
  readonly written: string[];
  /** What was written to standard error. */
  readonly said: string[];
}

/** Makes one; without a terminal by default. */
export function testIo(
  options: Partial<
    Pick<CliIo, "isTerminal" | "isErrTerminal" | "useColor" | "columns">
  > = {},
): TestIo {
  const written: string[] = [];
  const said: string[] = [];
  return {
    written,
    said,
    out: (text) => written.push(text),
    err: (text) => said.push(text),
    isTerminal: false,
    isErrTerminal: false,
    useColor: false,
    columns: 80,
    env: () => undefined,
    ...options,
  };
}
