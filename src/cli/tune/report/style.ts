/**
 * The style of the page. Colours of different kinds differ in brightness as well as in hue,
 * so that they stay apart for every kind of colour vision; those with an order are a ramp
 * whose brightness alone tells the order, and whose hue changes with each step, so that the
 * lines of one chart do not look alike. The tests hold both.
 *
 * @module
 */

import { Markup } from "./markup.ts";

/** For a light page, and for paper: `categories` are series of different kinds, `order` those
 * from the least to the most. */
export const LIGHT = {
  page: "#f5f7f9",
  surface: "#ffffff",
  text: "#17202a",
  muted: "#52606d",
  border: "#c9d1d9",
  grid: "#e8ecf0",
  accent: "#005a8f",
  categories: ["#0b5a8f", "#e8590c", "#03a27c", "#ba45dc", "#5c4613", "#6b7c99"],
  order: [
    "#7c9e13",
    "#1a8f80",
    "#476bac",
    "#4c36dd",
    "#730d9b",
    "#7d0033",
    "#4a0203",
    "#05030a",
  ],
};

/** For a dark page. */
export const DARK: typeof LIGHT = {
  page: "#0f1419",
  surface: "#161b22",
  text: "#e6edf3",
  muted: "#a3afbb",
  border: "#3b4652",
  grid: "#252d36",
  accent: "#6cc0f5",
  categories: ["#74c6ff", "#ffc48c", "#0f9f68", "#cf55d4", "#c9a80e", "#8a93a5"],
  order: [
    "#9922ea",
    "#7278c1",
    "#3599b7",
    "#0fb499",
    "#88bf33",
    "#3cf25e",
    "#c1ff98",
    "#ffffff",
  ],
};

/**
 * Writes a palette as custom properties of CSS.
 *
 * @param palette The palette.
 * @returns Declarations, such as `--page:#fff;`.
 */
function customProperties(palette: typeof LIGHT): string {
  return Object.entries(palette).map(([name, value]: [string, string | string[]]) =>
    typeof value === "string"
      ? `--${name}:${value};`
      : value.map((color, index) => `--${name}-${index}:${color};`).join("")
  ).join("");
}

/**
 * The colour of a line, as a value of CSS.
 *
 * @param colors Whether lines are of different kinds or have an order.
 * @param index Which line, from 0.
 * @param count How many lines there are.
 * @returns A reference to a custom property.
 */
export function seriesColor(
  colors: "categories" | "order",
  index: number,
  count: number,
): string {
  const last = LIGHT[colors].length - 1;
  // The whole of the ramp is used, so that few lines are as far apart as can be.
  const place = colors === "order" && count > 1
    ? Math.round(Math.min(index, count - 1) * last / (count - 1))
    : index % (last + 1);
  return `var(--${colors}-${place})`;
}

const RULES = `
*{box-sizing:border-box}
html{color-scheme:light dark}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.55 system-ui,sans-serif}
header,main,footer{max-width:56rem;margin:0 auto;padding:1.25rem 1.25rem 0}
h1{font-size:clamp(1.6rem,5vw,2.2rem);line-height:1.2;margin:1rem 0 .35rem}
h2{font-size:1.35rem;line-height:1.3;margin:2rem 0 .4rem}
p{margin:.3rem 0 .9rem;max-width:46rem;overflow-wrap:anywhere}
a,summary{color:var(--accent)}
.muted,figcaption span,dt,.cards code,caption,thead th{color:var(--muted)}
footer{padding-bottom:3rem}
footer,nav,summary,figcaption span,.legend,.cards p,table{font-size:.9rem}
nav ul,.legend{display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;list-style:none;padding:0}
code,pre{font-family:ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.9em}
pre,.cards>li,.chart,.scroll,.warning{background:var(--surface);
border:1px solid var(--border);border-radius:.5rem;padding:.9rem 1.15rem;
margin:.6rem 0;break-inside:avoid}
pre,.scroll{overflow-x:auto}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));
gap:0 .9rem;padding:0;list-style:none}
.cards .value{font-size:1.9rem;line-height:1.25;font-weight:650}
.cards .value small{font-size:.9rem;font-weight:400;color:var(--muted);margin-left:.5rem}
.verdict{font-size:1.2rem;font-weight:600}
.warning{border-left:4px solid var(--categories-1)}
dl{display:grid;grid-template-columns:minmax(7rem,max-content) 1fr;gap:.3rem 1.2rem}
dd{margin:0;overflow-wrap:anywhere}
.chart{container-type:inline-size;margin-top:1.6rem}
figcaption strong,figcaption span{display:block}
.legend{margin:.7rem 0 .3rem}
.legend li{display:flex;align-items:center;gap:.4rem}
.legend svg{flex:none}
.canvas svg{width:100%;height:auto;overflow:visible}
.canvas .wide{display:block}
.canvas .narrow{display:none}
@container (max-width:560px){.canvas .wide{display:none}
.canvas .narrow{display:block;max-width:30rem}}
.canvas [data-x]:hover{stroke:var(--text);stroke-width:1px;vector-effect:non-scaling-stroke}
summary{cursor:pointer}
.scroll{padding:0}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
caption{text-align:left;padding:.6rem .8rem}
th,td{padding:.35rem .8rem;text-align:right;white-space:nowrap;
border-top:1px solid var(--grid)}
thead th{vertical-align:bottom;white-space:normal}
th.words,td.words,th:first-child{text-align:left}
@media print{
html{color-scheme:light}
body{background:#fff;font-size:10.5pt}
table{font-size:8.5pt}
header,main,footer{max-width:none;padding-left:0;padding-right:0}
nav,summary{display:none}
h2{break-after:avoid}
details::details-content{content-visibility:visible;block-size:auto}
.scroll{overflow:visible}
th,td{padding:.2rem .5rem}
*{print-color-adjust:exact}
}
`;

/** The page's style: light, dark where that is preferred, light on paper. */
export const STYLE: Markup = new Markup(
  `:root{${customProperties(LIGHT)}}` +
    `@media screen and (prefers-color-scheme:dark){:root{${customProperties(DARK)}}}` +
    RULES.replaceAll("\n", ""),
);
