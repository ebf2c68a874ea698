import type { NumberStyle } from "./number_style.ts";
import type { ScaleKind } from "./scale.ts";

/** What stands along one side of a chart. */
export interface Axis {
  /** What is shown, such as `Throughput`. */
  readonly title: string;
  /** Its unit, such as `commands/s`; none where the numbers have theirs, as bytes do. */
  readonly unit: string;
  /** Linear from zero, or logarithmic. */
  readonly scale: ScaleKind;
  /** How its numbers are written. Default: `number`. */
  readonly format?: NumberStyle;
}

/** One value of a line. */
export interface PlotPoint {
  /** Place on the lower axis. */
  readonly x: number;
  /** Height. */
  readonly y: number;
  /** The smallest of the rounds, drawn as a whisker with `high`. */
  readonly low?: number;
  /** The largest of the rounds. */
  readonly high?: number;
  /** A few words that stand beside the point, which gets a ring. */
  readonly mark?: string;
}

/** One line. */
export interface LineSeries {
  /** What it is, as in the legend. */
  readonly name: string;
  /**
   * Which colour and shape it has, from 0; for who is to look the same in several charts.
   * Default: its place among the lines.
   */
  readonly look?: number;
  /** Its values, in ascending order of `x`. */
  readonly points: readonly PlotPoint[];
}

/** What every chart says of itself. */
interface ChartText {
  /** Unlike every other chart's of the page; letters, digits and hyphens. */
  readonly id: string;
  /** Heading. */
  readonly title: string;
  /** One or two sentences: what is shown, and what was held fixed. */
  readonly description: string;
}

/** A chart of lines. */
export interface LineChart extends ChartText {
  /** The lower side. */
  readonly x: Axis;
  /** The left side. */
  readonly y: Axis;
  /** The lines: up to 6 where they are categories, up to 8 where they have an order. */
  readonly series: readonly LineSeries[];
  /** Whether the lines are of different kinds or have an order. Default: `categories`. */
  readonly colors?: "categories" | "order";
  /** What the ring around a marked point means, for the legend. */
  readonly markMeaning?: string;
}

/** A value of a bar chart; `null` where nothing was measured. */
export type BarValue =
  | { readonly value: number; readonly low?: number; readonly high?: number }
  | null;

/** A chart of bars that lie on their side, in groups. */
export interface BarChart extends ChartText {
  /** What the groups are, such as `Mix`. */
  readonly groupTitle: string;
  /** Names of the groups, from the top. */
  readonly groups: readonly string[];
  /** The lower side; a bar begins at zero, so it is always linear. */
  readonly x: Omit<Axis, "scale">;
  /** The bars of each group, from the top; one value for each group. */
  readonly series: readonly {
    readonly name: string;
    readonly look?: number;
    readonly values: readonly BarValue[];
  }[];
}
