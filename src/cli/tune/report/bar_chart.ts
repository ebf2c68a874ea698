import type { Axis, BarChart, BarValue } from "./chart_types.ts";
import { drawing, figure, type Layout, LAYOUTS, type Plot, xAxis } from "./frame.ts";
import { legend } from "./legend.ts";
import { element, type Markup, text } from "./markup.ts";
import { formatNumber } from "./number_style.ts";
import { seriesColor } from "./palette.ts";
import { makeScale, type Scale } from "./scale.ts";

const BAR = 18;
const BAR_GAP = 3;
const GROUP_GAP = 18;

/** Height of a group's name, where it stands above its bars. */
const NAME = 20;

/**
 * Draws bars in groups, each with its value at its end: a figure with heading, legend and
 * the drawing, for wide and for narrow pages.
 *
 * @param chart What to draw.
 * @returns The figure, as HTML.
 */
export function barChart(chart: BarChart): Markup {
  const items = chart.series.map(({ name, look }, index) => ({
    name,
    color: seriesColor("categories", look ?? index, chart.series.length),
    look: "bar" as const,
  }));
  return figure(
    { ...chart, legend: legend(items) },
    LAYOUTS.map((layout) => drawBars(chart, layout)),
  );
}

function drawBars(chart: BarChart, layout: Layout): Markup {
  const isNarrow = layout.name === "narrow";
  const longest = Math.max(0, ...chart.groups.map((name) => name.length));
  const groupHeight = chart.series.length * (BAR + BAR_GAP) + GROUP_GAP +
    (isNarrow ? NAME : 0);
  const top = 6;
  const plot: Plot = {
    left: isNarrow ? 10 : longest * layout.character + 14,
    // Beside the longest bar there must be room for its number.
    right: layout.width - 64,
    top,
    bottom: top + groupHeight * chart.groups.length,
  };
  const axis: Axis = { ...chart.x, scale: { kind: "linear" } };
  const scale = makeScale({
    scale: axis.scale,
    values: chart.series.flatMap(({ values }) =>
      values.map((value) => value?.value ?? 0)
    ),
    range: [plot.left, plot.right],
    maxTicks: isNarrow ? 5 : 8,
  });
  return drawing(
    { ...chart, layout, height: plot.bottom + 50 },
    xAxis(axis, scale, plot),
    ...chart.groups.map((_, index) =>
      drawGroup(chart, index, { layout, scale, plot, top: top + index * groupHeight })
    ),
  );
}

interface GroupPlace {
  readonly layout: Layout;
  readonly scale: Scale;
  readonly plot: Plot;
  readonly top: number;
}

function drawGroup(chart: BarChart, group: number, place: GroupPlace): Markup {
  const { layout, plot } = place;
  const name = chart.groups[group] ?? "";
  const isNarrow = layout.name === "narrow";
  const first = place.top + GROUP_GAP / 2 + (isNarrow ? NAME : 0);
  const middle = first + chart.series.length * (BAR + BAR_GAP) / 2;
  const label = isNarrow
    ? { x: plot.left, y: first - 6, "text-anchor": "start" }
    : { x: plot.left - 10, y: middle + 3, "text-anchor": "end" };
  return element(
    "g",
    { class: "group", "data-group": name },
    element("text", { class: "group-name", ...label }, text(name)),
    ...chart.series.map((series, index) =>
      drawBar({
        chart,
        what: `${name}, ${series.name}`,
        series: series.name,
        bar: series.values[group] ?? null,
        color: seriesColor("categories", series.look ?? index, chart.series.length),
        y: first + index * (BAR + BAR_GAP),
      }, place.scale)
    ),
  );
}

interface Bar {
  readonly chart: BarChart;
  readonly what: string;
  readonly series: string;
  readonly bar: BarValue;
  readonly color: string;
  readonly y: number;
}

function drawBar(options: Bar, scale: Scale): Markup {
  const { chart, what, series, bar, color, y } = options;
  const zero = scale.place(0);
  if (bar === null) {
    const place = { class: "absent", x: zero + 6, y: y + BAR - 5 };
    return element("text", place, text("not measured"));
  }
  const end = scale.place(bar.value);
  const range = bar.low === undefined || bar.high === undefined
    ? ""
    : ` (${formatNumber(bar.low)} to ${formatNumber(bar.high)})`;
  return element(
    "g",
    { style: `--series:${color}` },
    element(
      "rect",
      {
        class: "bar",
        x: zero,
        y,
        width: Math.max(0, end - zero),
        height: BAR,
        "data-series": series,
        "data-value": String(bar.value),
      },
      element(
        "title",
        {},
        text(`${what}: ${formatNumber(bar.value)} ${chart.x.unit}${range}`),
      ),
    ),
    element(
      "text",
      { class: "bar-value", x: end + 6, y: y + BAR - 5 },
      text(formatNumber(bar.value, chart.x.format)),
    ),
  );
}
