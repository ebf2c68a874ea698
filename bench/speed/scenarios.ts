import { PREFIX } from "../kit.ts";
import type { RivalName, Speaker } from "./rivals.ts";

/** One row of the table: a load that every rival runs in turn. */
export interface Scenario {
  /** What it is called. */
  readonly name: "GET" | "SET" | "mixed";
  /** How many callers. */
  readonly callers: number;
  /** What a caller does; `n` counts its commands. */
  readonly work: (speaker: Speaker, n: number) => Promise<unknown>;
  /** Whether the time of a caller's n-th command is taken. */
  readonly isTimed: (n: number) => boolean;
  /** Who takes part. */
  readonly rivals: readonly RivalName[];
}

/** What a row is called, such as `GET C=64`. */
export function labelOf({ callers, name }: Scenario): string {
  return `${name} C=${callers}`;
}

const KEY = `${PREFIX}100`;
const VALUE = "x".repeat(100);
const KIB = "x".repeat(1024);
const KIB_64 = "x".repeat(64 * 1024);
/** One command in so many carries 64 KiB. */
const LARGE_EVERY = 10;
/** Callers of the mixed load. */
const MIXED_CALLERS = 64;

const oneInFour = (n: number) => (n & 3) === 0;

/** Half GET and half SET; one command in ten of 64 KiB, the others of 1 KiB. */
function mixed(speaker: Speaker, n: number): Promise<unknown> {
  const isLarge = n % LARGE_EVERY === 0;
  const key = isLarge ? `${PREFIX}64k` : `${PREFIX}1k`;
  const isGet = (n / LARGE_EVERY | 0) % 2 === 0;
  return isGet ? speaker.get(key) : speaker.set(key, isLarge ? KIB_64 : KIB);
}

const ALL = ["manager", "createClient", "ioredis", "transport", "node-redis"] as const;

/** Every row. */
export const SCENARIOS: readonly Scenario[] = [
  ...[1, 8, 16, 64, 256, 512].flatMap((callers): Scenario[] => {
    const rivals = callers === 64 ? [...ALL, "pool of 8" as const] : ALL;
    const common = { callers, rivals, isTimed: oneInFour };
    return [
      { ...common, name: "GET", work: (speaker) => speaker.get(KEY) },
      { ...common, name: "SET", work: (speaker) => speaker.set(KEY, VALUE) },
    ];
  }),
  {
    name: "mixed",
    callers: MIXED_CALLERS,
    work: mixed,
    // The p99 of this row is that of the small commands.
    isTimed: (n) => n % LARGE_EVERY !== 0 && oneInFour(n),
    rivals: ["manager", "ioredis", "transport"],
  },
];

/**
 * Writes the values that the loads read.
 *
 * @param speaker Any client.
 */
export async function prepare(speaker: Speaker): Promise<void> {
  await speaker.set(KEY, VALUE);
  await speaker.set(`${PREFIX}1k`, KIB);
  await speaker.set(`${PREFIX}64k`, KIB_64);
}
