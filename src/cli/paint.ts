/** Dresses text up for a terminal, or leaves it as it is. */
export type Paint = Readonly<
  Record<"bold" | "dim" | "red" | "green" | "yellow", (text: string) => string>
>;

/**
 * What text is dressed up with.
 *
 * @param useColor Whether colours are wanted; without them every function gives its text
 * back.
 * @returns A function for each style.
 */
export function makePaint(useColor: boolean): Paint {
  const style = (on: number, off: number) => (text: string) =>
    useColor ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  return {
    bold: style(1, 22),
    dim: style(2, 22),
    red: style(31, 39),
    green: style(32, 39),
    yellow: style(33, 39),
  };
}
