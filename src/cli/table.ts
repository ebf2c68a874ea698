/** A column of a table. */
export interface Column<R> {
  /** What stands above it. */
  readonly title: string;
  /** Its text for a row. */
  readonly cell: (row: R) => string;
  /** Whether it is text and stands to the left; numbers stand to the right. */
  readonly isText?: boolean;
  /** Dresses a finished cell up, such as by a colour. */
  readonly paint?: (text: string, row: R) => string;
}

/**
 * Lays rows out as a table.
 *
 * @param columns The columns.
 * @param rows The rows.
 * @returns The heading, a rule, the rows, and a rule.
 */
export function tableLines<R>(
  columns: readonly Column<R>[],
  rows: readonly R[],
): string[] {
  const cells = rows.map((row) => columns.map(({ cell }) => cell(row)));
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...cells.map((line) => line[i]!.length))
  );
  const align = (text: string, i: number) =>
    columns[i]!.isText ? text.padEnd(widths[i]!) : text.padStart(widths[i]!);
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [
    columns.map(({ title }, i) => align(title, i)).join("  ").trimEnd(),
    rule,
    ...cells.map((line, n) =>
      line.map((text, i) => {
        const aligned = align(text, i);
        return columns[i]!.paint?.(aligned, rows[n]!) ?? aligned;
      }).join("  ").trimEnd()
    ),
    rule,
  ];
}

/**
 * Lays rows out for a terminal: as a table, and where that is too wide, turned by a quarter:
 * a line for each column, in blocks of as many rows as fit.
 *
 * @param columns The columns.
 * @param rows The rows.
 * @param width How wide the terminal is.
 * @returns The lines.
 */
export function fittingLines<R>(
  columns: readonly Column<R>[],
  rows: readonly R[],
  width: number,
): string[] {
  const lines = tableLines(columns, rows);
  if (lines[1]!.length <= width) return lines;
  const titleWidth = Math.max(...columns.map(({ title }) => title.length));
  const widthOf = (row: R) =>
    Math.max(...columns.map(({ cell }) => cell(row).length)) + 2;
  const turned: string[] = [];
  for (let start = 0; start < rows.length;) {
    let end = start;
    for (let used = titleWidth; end < rows.length; end++) {
      used += widthOf(rows[end]!);
      if (used > width && end > start) break;
    }
    const block = rows.slice(start, end);
    if (start > 0) turned.push("");
    turned.push(
      ...columns.map(({ cell, paint, title }) =>
        title.padEnd(titleWidth) + block.map((row) => {
          const text = cell(row).padStart(widthOf(row));
          return paint?.(text, row) ?? text;
        }).join("")
      ),
    );
    start = end;
  }
  return turned;
}

/** Most names that a line lists. */
const MAX_NAMES = 4;

/** Names in a line, such as `main, cache` or `main, cache, jobs and 15 more`. */
export function listNames(names: readonly string[]): string {
  if (names.length <= MAX_NAMES) return names.join(", ");
  const rest = names.length - MAX_NAMES + 1;
  return `${names.slice(0, MAX_NAMES - 1).join(", ")} and ${rest} more`;
}
