/**
 * Reads the text exposition format 0.0.4 and says what is wrong with it: the grammar, and
 * the rules that promtool checks metrics by. Written from the format's description alone,
 * so that it judges the writer instead of agreeing with it.
 *
 * @module
 */

/** One line with a value. */
export interface ExposedSample {
  /** The whole name, with `_bucket` and such. */
  readonly name: string;
  /** Its labels, unescaped. */
  readonly labels: Readonly<Record<string, string>>;
  /** Its value. */
  readonly value: number;
}

interface ExposedFamily {
  type?: string;
  help?: string;
  readonly samples: ExposedSample[];
}

/** What was read. */
export interface Exposition {
  /** All lines with values. */
  readonly samples: readonly ExposedSample[];
  /** Type of each family by name. */
  readonly types: Readonly<Record<string, string>>;
  /** What is wrong, a line each; empty if nothing is. */
  readonly problems: readonly string[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([+-]Inf|NaN|[+-]?[0-9.]+(?:e[+-]?\d+)?)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;
const TYPES = new Set(["counter", "gauge", "histogram", "summary", "untyped"]);
const NO_BASE_UNIT = /_(?:ms|milliseconds|minutes|hours|kb|mb|kilobytes|percent)(?:_|$)/;

function unescape(text: string): string {
  return text.replace(/\\(.)/g, (_, char) => char === "n" ? "\n" : char);
}

function readValue(text: string): number {
  if (text === "+Inf") return Infinity;
  return text === "-Inf" ? -Infinity : Number(text);
}

/** The labels in the braces; `undefined` if they are not written as they must be. */
function readLabels(text: string): Record<string, string> | undefined {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const found = LABEL.exec(text);
    if (found === null || Object.hasOwn(labels, found[1]!)) return undefined;
    labels[found[1]!] = unescape(found[2]!);
  }
  return labels;
}

/** The family that a line belongs to: `x` for `x_bucket` where `x` is a histogram. */
function familyNameOf(name: string, families: Map<string, ExposedFamily>): string {
  const base = name.replace(/_(?:bucket|sum|count)$/, "");
  return families.get(base)?.type === "histogram" ? base : name;
}

class Reader {
  readonly problems: string[] = [];
  readonly families = new Map<string, ExposedFamily>();
  #current: string | undefined;

  read(text: string): void {
    if (!text.endsWith("\n")) this.problems.push("the last line does not end");
    for (const line of text.split("\n").slice(0, -1)) {
      if (line.startsWith("#")) this.#readComment(line);
      else this.#readSample(line);
    }
  }

  /** The family; lines of one family stand together. */
  #enter(name: string): ExposedFamily {
    const known = this.families.get(name);
    if (known !== undefined && this.#current !== name) {
      this.problems.push(`${name} is in two places`);
    }
    this.#current = name;
    const family = known ?? { samples: [] };
    this.families.set(name, family);
    return family;
  }

  #readComment(line: string): void {
    const found = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (found === null) return void this.problems.push(`cannot read: ${line}`);
    const [, kind, name, rest] = found as unknown as [string, string, string, string];
    if (!NAME.test(name)) this.problems.push(`${name} is no name`);
    const family = this.#enter(name);
    if (family.samples.length > 0) this.problems.push(`${name}: ${kind} after its lines`);
    const key = kind === "HELP" ? "help" : "type";
    if (family[key] !== undefined) this.problems.push(`${name}: ${kind} twice`);
    if (key === "type" && !TYPES.has(rest)) {
      this.problems.push(`${name}: no such type: ${rest}`);
    }
    family[key] = rest;
  }

  #readSample(line: string): void {
    const found = SAMPLE.exec(line);
    const labels = found === null ? undefined : readLabels(found[2] ?? "");
    if (found === null || labels === undefined) {
      this.problems.push(`cannot read: ${line}`);
      return;
    }
    const name = found[1]!;
    const family = this.#enter(familyNameOf(name, this.families));
    const same = JSON.stringify(Object.entries(labels).sort());
    const isThere = family.samples.some((each) =>
      each.name === name &&
      JSON.stringify(Object.entries(each.labels).sort()) === same
    );
    if (isThere) this.problems.push(`twice: ${line}`);
    family.samples.push({ name, labels, value: readValue(found[3]!) });
  }
}

function checkFamily(name: string, family: ExposedFamily): string[] {
  const { type, help, samples } = family;
  const problems: string[] = [];
  if (help === undefined || help === "") problems.push(`${name}: no help`);
  if (type === undefined) problems.push(`${name}: no type`);
  if (samples.length === 0) problems.push(`${name}: no lines`);
  if ((type === "counter") !== name.endsWith("_total")) {
    problems.push(`${name}: counters, and no others, end in _total`);
  }
  if (NO_BASE_UNIT.test(name)) problems.push(`${name}: not in a base unit`);
  if (/[A-Z]/.test(name)) problems.push(`${name}: not in snake case`);
  if (/_(?:bucket|sum|count)$/.test(name)) problems.push(`${name}: a reserved ending`);
  if (type === "counter" && samples.some(({ value }) => !(value >= 0))) {
    problems.push(`${name}: a counter below 0`);
  }
  return type === "histogram"
    ? [...problems, ...checkHistogram(name, samples)]
    : problems;
}

function checkHistogram(name: string, samples: readonly ExposedSample[]): string[] {
  const series = Map.groupBy(samples, ({ labels }) => {
    const { le: _, ...rest } = labels;
    return JSON.stringify(rest);
  });
  return [...series].flatMap(([labels, lines]) =>
    checkSeries(name, lines).map((problem) => `${name}${labels}: ${problem}`)
  );
}

function checkSeries(name: string, lines: readonly ExposedSample[]): string[] {
  const buckets = lines.filter((line) => line.name === `${name}_bucket`);
  const bounds = buckets.map(({ labels }) => readValue(labels.le ?? "NaN"));
  const one = (suffix: string) => lines.filter((line) => line.name === name + suffix);
  const problems: string[] = [];
  if (bounds.some((bound, i) => i > 0 && !(bound > bounds[i - 1]!))) {
    problems.push("bounds do not rise");
  }
  if (bounds.at(-1) !== Infinity) problems.push("no bucket +Inf");
  if (buckets.some(({ value }, i) => i > 0 && value < buckets[i - 1]!.value)) {
    problems.push("counts are not cumulative");
  }
  if (one("_sum").length !== 1) problems.push("not one _sum");
  const [count, ...more] = one("_count");
  if (count === undefined || more.length > 0) problems.push("not one _count");
  else if (count.value !== buckets.at(-1)?.value) problems.push("_count is not +Inf's");
  return problems;
}

/**
 * Reads an exposition.
 *
 * @param text The text.
 * @returns What it says, and what is wrong with it.
 */
export function readExposition(text: string): Exposition {
  const reader = new Reader();
  reader.read(text);
  const families = [...reader.families];
  return {
    samples: families.flatMap(([, { samples }]) => samples),
    types: Object.fromEntries(families.map(([name, { type = "" }]) => [name, type])),
    problems: [
      ...reader.problems,
      ...families.flatMap(([name, family]) => checkFamily(name, family)),
    ],
  };
}

/**
 * The value of one line.
 *
 * @param exposition What was read.
 * @param name The whole name.
 * @param labels Labels that it must have; others may be there.
 * @returns The value.
 * @throws {Error} If not exactly one line fits.
 */
export function valueOf(
  { samples }: Exposition,
  name: string,
  labels: Record<string, string> = {},
): number {
  const found = samples.filter((sample) =>
    sample.name === name &&
    Object.entries(labels).every(([key, value]) => sample.labels[key] === value)
  );
  if (found.length !== 1) {
    throw new Error(`${found.length} lines are ${name} ${JSON.stringify(labels)}`);
  }
  return found[0]!.value;
}
