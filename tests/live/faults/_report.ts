/**
 * What the rows of the fault matrix found, for the table at the end of a run. The rows
 * run in modules of their own, in more than one process: the launcher names a file for
 * them in MOORING_FINDINGS. Without it, it is the process that has a file.
 */

/** What one row found. */
export interface Finding {
  /** Number of the row in the matrix. */
  readonly row: number;
  /** The fault, in a few words. */
  readonly fault: string;
  /** What the callers saw, in a few words. */
  readonly outcome: string;
  /** Milliseconds from the fault to the first caller or event that tells of it. */
  readonly noticedMs?: number;
  /** Milliseconds from the end of the fault to the first command that succeeds. */
  readonly recoveredMs?: number;
  /** What plain ioredis made of the same fault in this run, in a few words. */
  readonly plain?: string;
}

async function file(): Promise<string> {
  const named = Deno.env.get("MOORING_FINDINGS");
  if (named !== undefined) return named;
  const dir = Deno.env.get("TMPDIR") ?? "/tmp";
  await Deno.mkdir(dir, { recursive: true });
  return `${dir}/mooring-faults-${Deno.pid}.jsonl`;
}

/** Notes what a row found. */
export async function report(finding: Finding): Promise<void> {
  await Deno.writeTextFile(await file(), `${JSON.stringify(finding)}\n`, {
    append: true,
  });
}

/** Takes what was noted so far, in the order of the rows. */
export async function takeFindings(): Promise<Finding[]> {
  const path = await file();
  try {
    const lines = (await Deno.readTextFile(path)).trimEnd().split("\n");
    await Deno.remove(path);
    return lines.map((line) => JSON.parse(line) as Finding)
      .sort((a, b) => a.row - b.row);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/**
 * What plain ioredis 6.0.0 made of the fault where it differs: measured once on Deno 2.9.6
 * and redis-server 7.0.15. Shown, and marked as quoted, where a run measures nothing.
 */
const PLAIN: Readonly<Record<number, string>> = {
  1: "73 s and 20 attempts",
  4: "every INCR ran twice, reported as success",
  6: "waits for ever",
  7: "LOADING surfaces as an error",
  9: "pending as long as it is stopped; a timed-out INCR runs later",
  10: "pending 26 s, until healed",
  13: "7 of 10 timed out although the reply was there",
  14: "EPIPE, ECONNRESET; the reason never shown",
  15: "error holds the password",
  36: "34,137 of 119,149 acknowledged writes kept in a planned failover",
  37: "pending over 12 s with a stopped node",
  41: "a stranger's reply; process dies when idle",
  42: "uncaught TypeError",
  43: "44 bytes take 1.1 GB",
  45: "3 of 3 timed out although the reply was there",
  46: "103 duplicates, no error",
};

const HEAD = [
  "row",
  "fault",
  "outcome",
  "noticed",
  "recovered",
  "plain ioredis",
] as const;

function plainOf({ row, plain }: Finding): string {
  if (plain !== undefined) return plain;
  const quoted = PLAIN[row];
  return quoted === undefined ? "" : `${quoted} (quoted)`;
}

/** The findings as a table of text. */
export function table(findings: readonly Finding[]): string {
  const time = (ms: number | undefined) => ms === undefined ? "" : `${Math.round(ms)} ms`;
  const rows = findings.map((each) => [
    String(each.row),
    each.fault,
    each.outcome,
    time(each.noticedMs),
    time(each.recoveredMs),
    plainOf(each),
  ]);
  const widths = HEAD.map((head, i) =>
    Math.max(head.length, ...rows.map((row) => row[i]!.length))
  );
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => cell.padEnd(widths[i]!)).join("  ").trimEnd();
  return [line(HEAD), ...rows.map(line)].join("\n");
}
