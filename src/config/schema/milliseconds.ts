import type { Layer } from "../layer.ts";
import { formatOrigin, type Origin } from "../origin.ts";
import type { Setting } from "./setting.ts";

/** Durations up to this are meant as they are written, in milliseconds. */
const USUAL_MS = 1_000_000;
/** So many times its default is more than anybody waits on purpose. */
const MOST_DEFAULTS = 200;
/** Stands for the default of what is off by default. */
const TYPICAL_MS = 60_000;

/**
 * Warns of a duration that was probably given in milliseconds where seconds are wanted:
 * `socket_timeout: 5000` would let a command wait for 83 minutes.
 *
 * @param layer Gets the warning.
 * @param setting The setting.
 * @param value Its value as code sees it.
 * @param origin Where it stands.
 * @param label Path of the setting as it is written.
 */
export function warnIfMilliseconds(
  layer: Layer,
  setting: Setting,
  value: unknown,
  origin: Origin,
  label: string,
): void {
  if (setting.kind.type !== "duration" || typeof value !== "number") return;
  const usual = Number(setting.default) || TYPICAL_MS;
  if (value <= Math.max(USUAL_MS, usual * MOST_DEFAULTS)) return;
  const seconds = value / 1000;
  layer.warnings.push(
    `${formatOrigin(origin)}: ${label} is ${seconds} s: durations are seconds; if ` +
      `${seconds} ms were meant, write ${seconds / 1000}`,
  );
}
