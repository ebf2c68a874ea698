/**
 * Checks of options.
 *
 * @module
 */

/** What an option may be. */
export interface Range {
  /** The least value. Default: 0. */
  least?: number;
  /** The greatest value. Default: any. */
  most?: number;
}

/**
 * Checks options that are whole numbers; one that is `undefined` is left out.
 *
 * @param action What was to be done, for the message, such as `start a cluster`.
 * @param options The values by their names.
 * @param range What each may be.
 * @throws {RangeError} If one is not a whole number of that range.
 */
export function checkIntegers(
  action: string,
  options: Readonly<Record<string, number | undefined>>,
  { least = 0, most = Infinity }: Range = {},
): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (Number.isInteger(value) && value >= least && value <= most) continue;
    const range = most === Infinity ? `${least} or more` : `${least} to ${most}`;
    throw new RangeError(
      `Cannot ${action} as ${name} must be an integer, ${range}: ` +
        `current value is ${Deno.inspect(value)}`,
    );
  }
}

/** The ports that a server can listen on. */
export const PORTS: Range = { least: 1, most: 65_535 };
