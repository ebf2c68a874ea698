/** What a soak is told on its command line. */
import { FAULTS } from "./faults.ts";

/** How long a soak goes on, what strikes, and where its random numbers start. */
export interface SoakOptions {
  /** Minutes of faults. */
  readonly minutes: number;
  /** Start of the random numbers. */
  readonly seed: number;
  /** Processes beside it that keep the machine busy. */
  readonly load: number;
  /** Names of the faults that strike; empty for all. */
  readonly only: readonly string[];
}

const MINUTES = 30;
const HIGHEST_SEED = 2 ** 31;
const MOST_LOAD = 64;
const NAMES: ReadonlySet<string> = new Set(FAULTS.map(({ name }) => name));

/** What the command line takes. */
export const USAGE =
  "Usage: deno task soak [--minutes N] [--seed S] [--load P] [--only FAULT,FAULT…]\n\n" +
  `  --minutes N  minutes of mixed load and random faults, more than 0 (${MINUTES})\n` +
  "  --seed S     start of the random numbers, an integer (a random one, printed)\n" +
  `  --load P     busy processes beside it, 0 to ${MOST_LOAD} (0)\n` +
  "  --only F,F…  names of the faults that strike (all), of these:\n" +
  FAULTS.map(({ name }) => `               ${name}`).join("\n");

/**
 * Reads the command line.
 *
 * @throws {TypeError} If it is not as {@linkcode USAGE} says.
 */
export function readOptions(args: readonly string[]): SoakOptions {
  let minutes = MINUTES;
  let seed = Math.floor(Math.random() * HIGHEST_SEED);
  let load = 0;
  let only: string[] = [];
  for (let i = 0; i < args.length; i += 2) {
    const [name, text = ""] = args.slice(i, i + 2);
    const value = text.trim() === "" ? NaN : Number(text);
    if (name === "--minutes" && value > 0 && Number.isFinite(value)) minutes = value;
    else if (name === "--seed" && Number.isSafeInteger(value)) seed = value;
    else if (
      name === "--load" && Number.isInteger(value) && value >= 0 && value <= MOST_LOAD
    ) load = value;
    else if (name === "--only" && text.split(",").every((each) => NAMES.has(each))) {
      only = text.split(",");
    } else {throw new TypeError(
        `Cannot read "${[name, text].join(" ").trim()}"\n${USAGE}`,
      );}
  }
  return { minutes, seed, load, only };
}

/** The same options as they are written on the command line. */
export function written({ minutes, seed, load, only }: SoakOptions): string {
  return [
    `--minutes ${minutes} --seed ${seed}`,
    ...(load === 0 ? [] : [`--load ${load}`]),
    ...(only.length === 0 ? [] : [`--only "${only.join(",")}"`]),
  ].join(" ");
}
