/** What a soak is told on its command line. */

/** How long a soak goes on, and where its random numbers start. */
export interface SoakOptions {
  /** Minutes of faults. */
  readonly minutes: number;
  /** Start of the random numbers. */
  readonly seed: number;
}

const MINUTES = 30;
const HIGHEST_SEED = 2 ** 31;

/** What the command line takes. */
export const USAGE = "Usage: deno task soak [--minutes N] [--seed S]\n\n" +
  `  --minutes N  minutes of mixed load and random faults, more than 0 (${MINUTES})\n` +
  "  --seed S     start of the random numbers, an integer (a random one, printed)";

/**
 * Reads the command line.
 *
 * @throws {TypeError} If it is not as {@linkcode USAGE} says.
 */
export function readOptions(args: readonly string[]): SoakOptions {
  let minutes = MINUTES;
  let seed = Math.floor(Math.random() * HIGHEST_SEED);
  for (let i = 0; i < args.length; i += 2) {
    const [name, text = ""] = args.slice(i, i + 2);
    const value = text.trim() === "" ? NaN : Number(text);
    if (name === "--minutes" && value > 0 && Number.isFinite(value)) minutes = value;
    else if (name === "--seed" && Number.isSafeInteger(value)) seed = value;
    else throw new TypeError(`Cannot read "${[name, text].join(" ").trim()}"\n${USAGE}`);
  }
  return { minutes, seed };
}
