import type { CliIo } from "./io.ts";

/** Columns where nobody says how wide the terminal is. */
const COLUMNS = 80;

const encoder = new TextEncoder();

function writeAll(target: typeof Deno.stdout, text: string): void {
  const bytes = encoder.encode(text);
  for (let sent = 0; sent < bytes.byteLength;) {
    sent += target.writeSync(bytes.subarray(sent));
  }
}

function widthOf(isTerminal: boolean): number {
  if (!isTerminal) return COLUMNS;
  try {
    return Deno.consoleSize().columns || COLUMNS;
  } catch {
    // Only standard error is a terminal, or none that can be asked.
    return COLUMNS;
  }
}

/**
 * The input and output of this process.
 *
 * @returns What commands read and write; nothing of it ever asks for a permission.
 */
export function terminalIo(): CliIo {
  const isTerminal = Deno.stdout.isTerminal();
  const isErrTerminal = Deno.stderr.isTerminal();
  return {
    out: (text) => writeAll(Deno.stdout, text),
    err: (text) => writeAll(Deno.stderr, text),
    isTerminal,
    isErrTerminal,
    useColor: isTerminal && !Deno.noColor,
    get columns() {
      return widthOf(isTerminal);
    },
    env: (variable) => {
      const { state } = Deno.permissions.querySync({ name: "env", variable });
      return state === "granted" ? Deno.env.get(variable) : undefined;
    },
  };
}
