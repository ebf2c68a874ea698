/**
 * From values to places on an axis, and the values at which an axis has ticks.
 *
 * @module
 */

/** What an axis does with its values. */
export type ScaleKind =
  | { readonly kind: "linear" }
  | { readonly kind: "log"; readonly base: 2 | 10 };

/** An axis' scale. */
export interface Scale {
  /** The smallest and the largest value that have a place on the axis. */
  readonly domain: readonly [low: number, high: number];
  /** Values at which the axis has a tick, in ascending order. */
  readonly ticks: readonly number[];
  /**
   * Where a value is drawn. What a logarithm cannot show, zero and less, is drawn at the
   * axis' beginning.
   *
   * @param value The value.
   * @returns Its place, in the unit of the range.
   */
  place(value: number): number;
}

/** What {@linkcode makeScale} makes a scale from. */
export interface ScaleOptions {
  /** Linear from zero, or logarithmic. */
  readonly scale: ScaleKind;
  /** The values to show. */
  readonly values: readonly number[];
  /** Places of the domain's ends. */
  readonly range: readonly [from: number, to: number];
  /** Most ticks there is room for; at least 3. */
  readonly maxTicks: number;
}

/** First digits of ticks in a decade. */
const DIGITS = [1, 2, 5];

/** Where an axis begins and ends, and its ticks between. */
interface Span {
  readonly domain: readonly [low: number, high: number];
  readonly ticks: readonly number[];
}

/**
 * Makes a scale that shows all values and begins and ends at round ones.
 *
 * @param options What it is made from.
 * @returns The scale.
 */
export function makeScale(options: ScaleOptions): Scale {
  const { scale, values, range, maxTicks } = options;
  const { domain, ticks } = scale.kind === "linear"
    ? spanOf(linearTicks(values, maxTicks))
    : logSpan(values, scale.base, maxTicks);
  const measure = scale.kind === "linear"
    ? (value: number) => value
    : (value: number) => Math.log(Math.max(value, domain[0]));
  const [low, high] = [measure(domain[0]), measure(domain[1])];
  const place = (value: number) =>
    range[0] + (measure(value) - low) / (high - low) * (range[1] - range[0]);
  return { domain, ticks, place };
}

function spanOf(ticks: readonly number[]): Span {
  return { domain: [ticks[0] ?? 0, ticks.at(-1) ?? 1], ticks };
}

/** Multiples of 1, 2 or 5 times a power of ten, zero among them. */
function linearTicks(values: readonly number[], maxTicks: number): number[] {
  const low = Math.min(0, ...values);
  const high = Math.max(0, ...values);
  if (low === high) return [0, 1];
  let step = 10 ** Math.floor(Math.log10((high - low) / maxTicks));
  const count = () => Math.ceil(rounded(high / step)) - Math.floor(rounded(low / step));
  const [first = 1] = DIGITS;
  const unit = step;
  for (let i = 0; count() + 1 > maxTicks; i++) {
    step = unit * (DIGITS[i % DIGITS.length] ?? first) *
      10 ** Math.floor(i / DIGITS.length);
  }
  const from = Math.floor(rounded(low / step));
  return Array.from({ length: count() + 1 }, (_, i) => rounded((from + i) * step));
}

/**
 * Powers of the base, or 1, 2 and 5 times powers of ten where there is room. Where there is
 * not even room for all powers, every second or third has a tick, from the smallest on.
 */
function logSpan(values: readonly number[], base: 2 | 10, maxTicks: number): Span {
  const positive = values.filter((value) => value > 0);
  const [low, high] = positive.length === 0
    ? [1, base]
    : [Math.min(...positive), Math.max(...positive)];
  const fine = covering(low, high, base === 10 ? digitTick : (index) => base ** index);
  if (fine.length <= maxTicks) return spanOf(fine);
  const { domain } = spanOf(fine);
  const powers = fine.filter((value) => Number.isInteger(logarithm(value, base)));
  const every = Math.ceil((powers.length - 1) / (maxTicks - 1));
  return { domain, ticks: powers.filter((_, index) => index % every === 0) };
}

function logarithm(value: number, base: number): number {
  return rounded(Math.log(value) / Math.log(base));
}

/** The 1, 2, 5, 10, 20 … whose place in that row is `index`; 1 has place 0. */
function digitTick(index: number): number {
  const decade = Math.floor(index / DIGITS.length);
  return rounded((DIGITS[index - decade * DIGITS.length] ?? 1) * 10 ** decade);
}

/** The shortest run of a rising row, of two or more, that has all values in it. */
function covering(low: number, high: number, row: (index: number) => number): number[] {
  let first = 0;
  while (row(first) > low) first--;
  while (row(first + 1) <= low) first++;
  let last = first + 1;
  while (row(last) < high) last++;
  return Array.from({ length: last - first + 1 }, (_, i) => row(first + i));
}

/** Without the dust of binary fractions: 0.3, not 0.30000000000000004. */
function rounded(value: number): number {
  return Number(value.toPrecision(12));
}
