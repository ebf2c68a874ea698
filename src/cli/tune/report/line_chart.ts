import type { Axis, LineChart, LineSeries, PlotPoint } from "./chart_types.ts";
import {
  drawing,
  figure,
  type Layout,
  LAYOUTS,
  type Plot,
  plotBeside,
  xAxis,
  yAxis,
} from "./frame.ts";
import { legend, type LegendItem, markerShape } from "./legend.ts";
import { type Anchor, placeLabels } from "./labels.ts";
import { element, type Markup, text } from "./markup.ts";
import { formatNumber, unshortened } from "./number_style.ts";
import { seriesColor } from "./palette.ts";
import { makeScale, type Scale } from "./scale.ts";

/**
 * Draws lines over two axes: a figure with heading, legend and the drawing, for wide and
 * for narrow pages. A table of the same numbers is for `chartTable()` to make.
 *
 * @param chart What to draw.
 * @returns The figure, as HTML.
 *
 * @example Latency against callers
 * ```ts ignore
 * lineChart({
 *   id: "latency",
 *   title: "Latency",
 *   description: "GET of 64 B, one lane.",
 *   x: { title: "Callers", unit: "at the same time", scale: { kind: "log", base: 2 } },
 *   y: { title: "p99", unit: "ms", scale: { kind: "log", base: 10 } },
 *   series: [{ name: "1 lane", points: [{ x: 1, y: 0.08 }, { x: 64, y: 0.7 }] }],
 * });
 * ```
 */
export function lineChart(chart: LineChart): Markup {
  return figure(
    { ...chart, legend: legend(legendItems(chart)) },
    LAYOUTS.map((layout) => drawLines(chart, layout)),
  );
}

function legendItems(chart: LineChart): LegendItem[] {
  const items: LegendItem[] = chart.series.map((series, index) => ({
    name: series.name,
    color: colorOf(chart, series, index),
    look: { shape: markerShape(series.look ?? index) },
  }));
  if (chart.markMeaning === undefined) return items;
  return [...items, { name: chart.markMeaning, color: "var(--text)", look: "ring" }];
}

function colorOf(chart: LineChart, { look }: LineSeries, index: number): string {
  return seriesColor(chart.colors ?? "categories", look ?? index, chart.series.length);
}

interface Scales {
  readonly x: Scale;
  readonly y: Scale;
}

function drawLines(chart: LineChart, layout: Layout): Markup {
  const points = chart.series.flatMap((series) => series.points);
  const yOptions = {
    scale: chart.y.scale,
    values: points.flatMap(({ y, low = y, high = y }) => [y, low, high]),
    maxTicks: layout.yTicks,
  };
  // The ticks' texts decide how much room there is beside them, and do not depend on it.
  const { ticks } = makeScale({ ...yOptions, range: [0, 1] });
  const plot = plotBeside(
    layout,
    ticks.map((value) => formatNumber(value, chart.y.format)),
  );
  const scales = {
    x: makeScale({
      scale: chart.x.scale,
      values: points.map(({ x }) => x),
      range: [plot.left, plot.right],
      maxTicks: layout.xTicks,
    }),
    y: makeScale({ ...yOptions, range: [plot.bottom, plot.top] }),
  };
  return drawing(
    { ...chart, layout, height: layout.height },
    xAxis(chart.x, scales.x, plot),
    yAxis(chart.y, scales.y, plot),
    ...chart.series.map((series, index) => drawSeries(chart, series, index, scales)),
    ...markLabels(chart, scales, layout, plot),
  );
}

function drawSeries(
  chart: LineChart,
  series: LineSeries,
  index: number,
  scales: Scales,
): Markup {
  const places = series.points.map(({ x, y }) =>
    `${scales.x.place(x).toFixed(2)},${scales.y.place(y).toFixed(2)}`
  );
  return element(
    "g",
    {
      class: "series",
      "data-series": series.name,
      style: `--series:${colorOf(chart, series, index)}`,
    },
    ...series.points.map((point) => whisker(point, scales)),
    element("path", {
      class: "line",
      d: places.length > 0 ? `M${places.join("L")}` : "",
    }),
    ...series.points.map((point) =>
      drawPoint(chart, series.name, point, markerShape(series.look ?? index), scales)
    ),
  );
}

function whisker(point: PlotPoint, scales: Scales): Markup {
  const { x, y, low = y, high = y } = point;
  const [at, from, to] = [scales.x.place(x), scales.y.place(low), scales.y.place(high)];
  return element("path", { class: "whisker", d: `M${at},${from}V${to}` });
}

function drawPoint(
  chart: LineChart,
  name: string,
  point: PlotPoint,
  shape: string,
  scales: Scales,
): Markup {
  const at = `translate(${scales.x.place(point.x).toFixed(2)} ${
    scales.y.place(point.y).toFixed(2)
  })`;
  return element(
    "g",
    {
      class: "point-group",
      transform: at,
      "data-x": String(point.x),
      "data-y": String(point.y),
      "data-mark": point.mark,
    },
    element("title", {}, text(sayPoint(chart, name, point))),
    element("circle", { class: "reach", r: 11 }),
    point.mark === undefined ? text("") : element("circle", { class: "ring", r: 9 }),
    element("path", { class: "point", d: shape }),
  );
}

/** What a pointer that rests on the point reads. */
function sayPoint({ x, y }: LineChart, name: string, point: PlotPoint): string {
  const { low, high, mark } = point;
  const range = low === undefined || high === undefined
    ? ""
    : ` (${sayValue(low, y)} to ${sayValue(high, y)})`;
  return `${name}: ${sayValue(point.y, y)} ${y.unit}${range} at ${
    sayValue(point.x, x)
  } ` +
    `${x.unit}${mark === undefined ? "" : `, ${mark}`}`;
}

function sayValue(value: number, { format }: Axis): string {
  return formatNumber(value, unshortened(format));
}

function markLabels(
  chart: LineChart,
  scales: Scales,
  layout: Layout,
  plot: Plot,
): Markup[] {
  const anchors: Anchor[] = chart.series.flatMap(({ points }) =>
    points.filter(({ mark }) => mark !== undefined).map((point) => ({
      x: scales.x.place(point.x),
      y: scales.y.place(point.y),
      text: point.mark ?? "",
    }))
  );
  const lines = chart.series.map(({ points }) =>
    points.map(({ x, y }) => ({ x: scales.x.place(x), y: scales.y.place(y) }))
  );
  return placeLabels(anchors, lines, plot, layout.character).map((label) =>
    element(
      "text",
      { class: "label", x: label.x, y: label.y, "text-anchor": "middle" },
      text(label.text),
    )
  );
}
