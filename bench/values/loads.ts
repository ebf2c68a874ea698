/** A load: callers that each wait for their reply before they go on. */
export interface ValueLoad {
  /** What they do. */
  readonly command: "GET" | "SET";
  /** What a value is to them. */
  readonly kind: "string" | "Buffer";
  /** Bytes of a value. */
  readonly bytes: number;
  /** How many callers. */
  readonly callers: number;
  /** How long it runs, in milliseconds. */
  readonly durationMs: number;
}

/** What a load came to. */
export interface Figures {
  /** Commands a second, over all callers. */
  readonly perSecond: number;
  /** 99 % of the commands took no longer, in milliseconds. */
  readonly p99Ms: number;
  /** Time of the process on any core for a command, in microseconds. */
  readonly cpuUs: number;
}

/** Sizes of the values. */
export const SIZES: readonly number[] = [4, 16, 64, 256, 1024].map((kib) => kib * 1024);
/** Numbers of callers. */
export const CALLERS: readonly number[] = [1, 16, 64];

/** Every load, without its length. */
export const LOADS: readonly Omit<ValueLoad, "durationMs">[] = SIZES.flatMap((bytes) =>
  (["GET", "SET"] as const).flatMap((command) =>
    (["string", "Buffer"] as const).flatMap((kind) =>
      CALLERS.map((callers) => ({ command, kind, bytes, callers }))
    )
  )
);

/**
 * What a load is called.
 *
 * @param load The load.
 * @returns Text such as `GET 64 KiB string C=16`.
 */
export function nameOf(
  { bytes, callers, command, kind }: Omit<ValueLoad, "durationMs">,
): string {
  return `${command} ${bytes / 1024} KiB ${kind} C=${callers}`;
}
