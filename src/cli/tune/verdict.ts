import { counted, formatNumber, milliseconds, percent } from "../numbers.ts";
import { changesOf } from "./patch.ts";
import { chosenLanes } from "./report/series.ts";
import type { Point, TuneReport } from "./report_types.ts";
import { fastest, isLarger, median, MIN_GAIN, noiseOf } from "./statistics.ts";

/** What a run comes to, in words. */
interface Verdict {
  /** What to do, and what was reached: two sentences. */
  readonly summary: string;
  /** Why nothing can be relied on; only where the machine was too noisy. */
  readonly noise?: string;
}

/** From which noise on a run is too noisy: three times the least gain that is worth a change. */
const NOISY = 3 * MIN_GAIN;

/** The noise of a run: half of the range of the rounds, as a share of their median, of the
 * middle one of all measurements. */
export function noiseShare(points: readonly Point[]): number {
  const shares = points.map(({ perSecond }) => noiseOf(perSecond) / perSecond.median);
  return points.length === 0 ? 0 : median(shares);
}

/** The point that shows what the recommended settings reach: at the knee of their lanes. */
function reachedPoint({ advice, knees, points }: TuneReport): Point | undefined {
  const own = points.filter(({ subject, sweep }) =>
    subject === "mooring" && sweep === "lanes"
  );
  const lanes = chosenLanes(own, { advice });
  const knee = knees.find((each) => each.lanes === lanes);
  return own.find((point) =>
    point.lanes === lanes && point.concurrency === knee?.concurrency
  ) ?? fastest(points.filter(({ subject }) => subject === "mooring"));
}

/** The verdict on a run. */
export function verdictOf(report: TuneReport): Verdict {
  const { advice, points } = report;
  const changes = changesOf(advice)
    .map(({ current, key, value }) => `${key} from ${current} to ${value}`);
  const todo = advice.length === 0
    ? "Too little was measured to recommend a setting."
    : changes.length === 0
    ? "Keep the settings as they are."
    : `Change ${changes.join(", ").replace(/, (?=[^,]*$)/, " and ")}.`;
  const reached = reachedPoint(report);
  if (reached === undefined) return { summary: todo };
  const { concurrency, lanes, latencyMs, perSecond } = reached;
  const summary = `${todo} With ${counted(lanes, "lane")}, ` +
    `${counted(concurrency, "caller")} got ${formatNumber(perSecond.median)} replies a ` +
    `second (±${percent(noiseOf(perSecond) / perSecond.median)}), 99 of 100 within ` +
    `${milliseconds(latencyMs.p99.median)} ms.`;
  const noise = noiseShare(points);
  if (noise <= NOISY) return { summary };
  return {
    summary,
    noise: "The machine was too noisy for this to be relied on: the rounds of a " +
      `measurement differed by ±${percent(noise)}, so that smaller differences mean ` +
      "nothing. Measure again while nothing else runs on it.",
  };
}

/** Whether a near cache pays for each mix that was measured with and without it: a sentence
 * each. */
export function nearCacheLines(points: readonly Point[]): string[] {
  return points.filter(({ subject }) => subject === "near cache").flatMap((near) => {
    const plain = points.find(({ mix, subject, sweep }) =>
      subject === "mooring" && mix === near.mix && sweep === near.sweep
    );
    if (plain === undefined) return [];
    const verdict = isLarger(near.perSecond, plain.perSecond)
      ? "pays"
      : isLarger(plain.perSecond, near.perSecond)
      ? "costs more than it brings"
      : "makes no difference";
    const [cached, asked] = [near, plain].map(({ perSecond }) => perSecond.median);
    const [rate, plainly] = [cached!, asked!].map((each) => formatNumber(each));
    return [
      `near cache, ${near.mix}: ${verdict}, ${rate} commands/s with it and ${plainly} ` +
      `without (${
        (cached! / asked!).toFixed(2)
      } times), where this process alone writes ` +
      "and all keys fit",
    ];
  });
}
