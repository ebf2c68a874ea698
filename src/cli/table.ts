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
