/**
 * The report's charts: ECharts draws them as SVG, without a browser. Colours are custom
 * properties of CSS, so that a drawing follows the page into light and dark.
 *
 * @module
 */

import { BarChart, CustomChart, LineChart } from "echarts/charts";
import { GridComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { Markup, markup } from "./markup.ts";
import { formatNumber, type NumberStyle, unshortened } from "../../numbers.ts";
import { seriesColor } from "./style.ts";
import { dataTable } from "./table.ts";

use([BarChart, CustomChart, LineChart, GridComponent, SVGRenderer]);

/** What one side of a chart shows. */
export interface Axis {
  /** What it shows, such as `Throughput`. */
  readonly title: string;
  /** Its unit, such as `commands/s`; empty where the numbers have theirs, as bytes do. */
  readonly unit: string;
  /** Base of a logarithmic axis; a linear one begins at zero. */
  readonly log?: 2 | 10;
  /** How its numbers are written. Default: `number`. */
  readonly format?: NumberStyle;
}

/** One value. */
interface ChartPoint {
  /** Place on the lower axis; in a chart of bars the index of the group. */
  readonly x: number;
  /** Height, or length of the bar. */
  readonly y: number;
  /** The smallest of the rounds, drawn as a broad bar up to `high`. */
  readonly low?: number;
  /** The largest of the rounds. */
  readonly high?: number;
  /** What is special about the point, which is drawn larger and with a rim. */
  readonly mark?: string;
}

/** A line, or the bars of one colour. */
export interface ChartSeries {
  /** Its name in the legend. */
  readonly name: string;
  /** Which colour and shape it has, from 0. Default: its place among the series. */
  readonly look?: number;
  /** Whether it is what is recommended: the line is broader, and the legend says so. */
  readonly isRecommended?: boolean;
  /** Its values, in ascending order of `x`. */
  readonly points: readonly ChartPoint[];
}

/** A chart of lines, or of bars where it has groups. */
export interface Chart {
  /** Unlike every other chart's of the page; letters, digits and hyphens. */
  readonly id: string;
  /** Heading. */
  readonly title: string;
  /** One or two sentences: what is shown, and what was held fixed. */
  readonly description: string;
  /** The lower side; of bars, what the groups are. */
  readonly x: Axis;
  /** The left side; of bars, what their lengths are. */
  readonly y: Axis;
  /** Up to 6 series of different kinds, or up to 8 that have an order. */
  readonly series: readonly ChartSeries[];
  /** Whether the series have an order. Default: `categories`. */
  readonly colors?: "categories" | "order";
  /** Names of the groups of bars, from the top. */
  readonly groups?: readonly string[];
  /** What the rim of a marked point means, for the legend. */
  readonly markMeaning?: string;
}

/** Shapes of points, which tell lines apart where colours cannot; centred on 0, 0. */
const SHAPES = [
  "M-4,0A4,4 0 1,0 4,0A4,4 0 1,0 -4,0Z",
  "M-3.6,-3.6H3.6V3.6H-3.6Z",
  "M0,-5L5,0L0,5L-5,0Z",
  "M0,-4.4L4.8,4.4H-4.8Z",
  "M0,4.4L4.8,-4.4H-4.8Z",
  "M-1.6,-4.6H1.6V-1.6H4.6V1.6H1.6V4.6H-1.6V1.6H-4.6V-1.6H-1.6Z",
  "M-4.8,-2.4H4.8V2.4H-4.8Z",
  "M-2.4,-4.8H2.4V4.8H-2.4Z",
] as const;

/** Every chart is drawn for each; the page's style shows the one that fits. */
const LAYOUTS = [
  { name: "wide", width: 760, height: 360, ticks: 11 },
  { name: "narrow", width: 360, height: 300, ticks: 6 },
] as const;
type Layout = typeof LAYOUTS[number];

const BAR = 18;
const MUTED = "var(--muted)";
const TEXT = "var(--text)";

/**
 * Charts, each with the table of its numbers beneath it; those without data are left out.
 *
 * @param charts The charts.
 * @returns The figures and tables, as HTML.
 */
export function drawCharts(charts: readonly Chart[]): Markup {
  const drawn = charts.map(withoutGaps)
    .filter(({ series }) => series.some(({ points }) => points.length > 0));
  return markup`${drawn.map((chart) => [figure(chart), chartTable(chart)])}`;
}

/** Without the values that have no place on an axis. */
function withoutGaps(chart: Chart): Chart {
  const series = chart.series.map((series) => ({
    ...series,
    points: series.points.filter(({ x, y }) => Number.isFinite(x + y)),
  }));
  return { ...chart, series };
}

function figure(chart: Chart): Markup {
  const drawings = LAYOUTS.map((layout) => drawing(chart, layout));
  return markup`<figure class="chart" id="${chart.id}">
<figcaption><strong>${chart.title}</strong><span>${chart.description}</span></figcaption>
${legend(chart)}<div class="canvas">${drawings}</div></figure>
`;
}

function colorOf(chart: Chart, index: number): string {
  const { colors = "categories", series } = chart;
  return seriesColor(colors, series[index]?.look ?? index, series.length);
}

const shapeOf = ({ look }: ChartSeries, index: number) =>
  SHAPES[(look ?? index) % SHAPES.length]!;

const lineWidth = ({ isRecommended }: ChartSeries) => isRecommended ? 4 : 2;

/** HTML, as a list wraps where the page is narrow. */
function legend(chart: Chart): Markup {
  const swatches = chart.series.map((series, index): [string, Markup] => {
    const color = colorOf(chart, index);
    const width = lineWidth(series);
    const line = markup`<path d="M-14,0H14" stroke="${color}" stroke-width="${width}"/>`;
    const shape = chart.groups ? "M-8,-6H8V6H-8Z" : shapeOf(series, index);
    const point = markup`<path d="${shape}" fill="${color}"/>`;
    const name = series.isRecommended ? `${series.name} (recommended)` : series.name;
    return [name, chart.groups ? point : markup`${line}${point}`];
  });
  if (chart.markMeaning !== undefined) {
    const rim = markup`<circle r="6" fill="none" stroke="${TEXT}" stroke-width="2"/>`;
    swatches.push([chart.markMeaning, rim]);
  }
  const items = swatches.map(([name, swatch]) =>
    markup`<li><svg width="30" height="14" viewBox="-15 -7 30 14" aria-hidden="true">\
${swatch}</svg><span>${name}</span></li>`
  );
  return markup`<ul class="legend">${items}</ul>`;
}

/** One drawing, with a name and a description for screen readers. */
function drawing(chart: Chart, layout: Layout): Markup {
  const height = chart.groups
    ? chart.groups.length * (chart.series.length * (BAR + 3) + 18) + 56
    : layout.height;
  const id = `${chart.id}-${layout.name}`;
  return markup`<svg class="${layout.name}" viewBox="0 0 ${layout.width} ${height}"
role="img" aria-labelledby="${id}-title" aria-describedby="${id}-desc">
<title id="${id}-title">${chart.title}</title>
<desc id="${id}-desc">${chart.description}</desc>
${content(chart, render(chart, layout, height))}</svg>`;
}

function render(chart: Chart, layout: Layout, height: number): string {
  const { width } = layout;
  const canvas = init(null, null, { renderer: "svg", ssr: true, width, height });
  // It is drawn once: the timer of an animation would outlive it.
  canvas.getZr().animation.start = () => {};
  try {
    canvas.setOption({
      animation: false,
      textStyle: { color: MUTED, fontFamily: "inherit" },
      ...(chart.groups ? barOptions(chart, layout) : lineOptions(chart, layout)),
    });
    return canvas.renderToSVGString();
  } finally {
    canvas.dispose();
  }
}

/** The drawing without the frame and the style that ECharts adds; each of its data items
 * names its numbers, for a pointer that rests on it and for programs. */
function content(chart: Chart, svg: string): Markup {
  const inner = svg.replace(/^<svg[^>]*>\s*<rect[^>]*><\/rect>/, "")
    .replace(/<(?:defs|style) ?>.*$/s, "")
    .replaceAll(/ (?:class="zr[^"]*"|clip-path="[^"]*"|pointer-events="visible")/g, "")
    .replaceAll(
      / ecmeta_series_index="(\d+)" ecmeta_data_index="(\d+)"[^>]*>/g,
      (_, of: string, at: string) => {
        const series = chart.series[Number(of)];
        const point = chart.groups
          ? series?.points.find(({ x }) => x === Number(at))
          : series?.points[Number(at)];
        if (series === undefined || point === undefined) return ">";
        const { mark, y } = point;
        const x = chart.groups?.[point.x] ?? point.x;
        const marked = mark === undefined ? "" : markup` data-mark="${mark}"`;
        const said = describePoint(chart, series.name, point);
        return markup` data-series="${series.name}" data-x="${x}" data-y="${y}"${marked}>\
<title>${said}</title>`.toString();
      },
    );
  return new Markup(inner);
}

function describePoint(chart: Chart, name: string, point: ChartPoint): string {
  const { high, low, mark, x, y } = point;
  const say = (value: number, { format }: Axis) =>
    formatNumber(value, unshortened(format));
  const range = low === undefined || high === undefined
    ? ""
    : ` (${say(low, chart.y)} to ${say(high, chart.y)})`;
  const place = chart.groups?.[x] ?? `${say(x, chart.x)} ${chart.x.unit}`.trimEnd();
  const end = mark === undefined ? "" : `, ${mark}`;
  return `${name}: ${say(y, chart.y)} ${chart.y.unit}${range} at ${place}${end}`;
}

/** An axis' heading, such as `Latency (ms, log scale)`. */
function axisTitle({ log, title, unit }: Axis): string {
  const notes = [unit, log ? "log scale" : ""].filter((note) => note !== "");
  return notes.length === 0 ? title : `${title} (${notes.join(", ")})`;
}

function axisOptions(axis: Axis, values: readonly number[], ticks: number) {
  const line = { lineStyle: { color: MUTED } };
  return {
    ...(axis.log ? logRange(values, axis.log, ticks) : { type: "value" as const }),
    name: axisTitle(axis),
    nameTextStyle: { color: TEXT },
    splitNumber: ticks,
    axisLabel: {
      color: MUTED,
      hideOverlap: true,
      formatter: (value: number) => formatNumber(value, axis.format),
    },
    axisLine: { show: true, ...line },
    axisTick: { show: true, ...line },
    splitLine: { show: true, lineStyle: { color: "var(--grid)" } },
  };
}

/**
 * The range of a logarithmic axis: from a power of two to another, with a tick at every or
 * at every second or third one; or from a 1, 2 or 5 to another, with ticks at its ends and
 * at the powers of ten between them.
 */
export function logRange(values: readonly number[], base: 2 | 10, ticks: number) {
  const positive = values.filter((value) => value > 0);
  const [low, high] = positive.length === 0
    ? [1, base]
    : [Math.min(...positive), Math.max(...positive)];
  const row = base === 2 ? [1] : [1, 2, 5];
  const at = (n: number) =>
    Number((row.at(n % row.length)! * base ** Math.floor(n / row.length)).toPrecision(6));
  let first = Math.ceil(row.length * Math.log(low) / Math.log(base));
  while (at(first) > low) first--;
  let last = first + 1;
  while (at(last) < high) last++;
  const type = "log" as const;
  if (base === 10) return { type, logBase: base, min: at(first), max: at(last) };
  const interval = Math.ceil((last - first) / (ticks - 1));
  last = first + Math.ceil((last - first) / interval) * interval;
  return { type, logBase: base, min: at(first), max: at(last), interval };
}

function lineOptions(chart: Chart, { ticks }: Layout) {
  const points = chart.series.flatMap((series) => series.points);
  const heights = points.flatMap(({ y, low = y, high = y }) => [y, low, high]);
  const y = axisOptions(chart.y, heights, ticks);
  // No logarithm of zero: such a point stands where the axis begins.
  const place = (value: number) => "min" in y ? Math.max(y.min, value) : value;
  return {
    grid: GRID,
    xAxis: {
      ...axisOptions(chart.x, points.map(({ x }) => x), ticks),
      nameLocation: "middle",
    },
    yAxis: { ...y, nameTextStyle: { color: TEXT, align: "left" } },
    series: [
      ...chart.series.map((series, index) => ({
        type: "line",
        symbol: `path://${shapeOf(series, index)}`,
        symbolSize: 8,
        color: colorOf(chart, index),
        lineStyle: { width: lineWidth(series), cap: "round", join: "round" },
        emphasis: { disabled: true },
        data: series.points.map(({ mark, x, y }) => ({
          value: [x, place(y)],
          ...(mark === undefined ? {} : MARKED),
        })),
      })),
      ...chart.series.map((series, index) => ({
        type: "custom",
        silent: true,
        data: series.points.map(({ low, high, x, y }) => [
          x,
          place(low ?? y),
          place(high ?? y),
        ]),
        renderItem: drawRange(colorOf(chart, index)),
      })),
    ],
  };
}

const GRID = {
  ...{ left: 8, right: 24, top: 8, bottom: 8 },
  ...{ outerBoundsMode: "same", outerBoundsContain: "all" } as const,
};

const MARKED = { symbolSize: 13, itemStyle: { borderColor: TEXT, borderWidth: 2 } };

/** Draws the broad bar behind a point, from the smallest to the largest of the rounds. */
function drawRange(stroke: string) {
  return (_: unknown, api: {
    value(dimension: number): number;
    coord(data: number[]): number[];
  }) => {
    const [x1 = 0, y1 = 0] = api.coord([api.value(0), api.value(1)]);
    const [x2 = 0, y2 = 0] = api.coord([api.value(0), api.value(2)]);
    const style = { stroke, lineWidth: 5, opacity: 0.25, fill: "none" };
    return { type: "line", shape: { x1, x2, y1, y2 }, style };
  };
}

function barOptions(chart: Chart, { name, ticks }: Layout) {
  const groups = chart.groups ?? [];
  const values = chart.series.flatMap(({ points }) => points.map(({ y }) => y));
  const { format, title, unit } = chart.y;
  return {
    // Beside the longest bar there must be room for its number.
    grid: { ...GRID, top: 6, right: 70 },
    xAxis: {
      ...axisOptions({ title, unit, format }, values, ticks - 2),
      nameLocation: "middle",
    },
    yAxis: {
      ...{ type: "category", inverse: true, data: groups },
      axisLabel: { color: TEXT, fontSize: name === "narrow" ? 11 : 12 },
      axisLine: { lineStyle: { color: MUTED } },
      axisTick: { show: false },
    },
    series: chart.series.map(({ points }, index) => ({
      type: "bar",
      barWidth: BAR,
      barGap: "16%",
      color: colorOf(chart, index),
      emphasis: { disabled: true },
      label: { show: true, position: "right", color: TEXT, textBorderWidth: 0 },
      data: groups.map((_, group) => {
        const value = points.find(({ x }) => x === group)?.y;
        const formatter = value === undefined
          ? "not measured"
          : formatNumber(value, format);
        return { value: value ?? 0, label: { formatter } };
      }),
    })),
  };
}

/** A chart's numbers as a table, folded away until it is asked for; on paper it is open. */
function chartTable({ groups, series, title, x, y }: Chart): Markup {
  const places = new Set(series.flatMap(({ points }) => points.map(({ x }) => x)));
  const rows = groups?.map((_, index) => index) ?? [...places].sort((a, b) => a - b);
  const table = dataTable({
    caption: `${title}: ${y.title} (${y.unit})`,
    columns: [
      { title: axisTitle({ ...x, log: undefined }), format: unshortened(x.format) },
      ...series.map(({ name }) => ({ title: name, format: unshortened(y.format) })),
    ],
    rows: rows.map((at) => [
      groups?.[at] ?? at,
      ...series.map(({ points }) => points.find(({ x }) => x === at)?.y ?? null),
    ]),
  });
  return markup`<details><summary>Numbers: ${title}</summary>${table}</details>
`;
}
