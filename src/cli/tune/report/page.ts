import type { Advice, TuneReport } from "../report_types.ts";
import { jsonForScript, Markup, markup } from "./markup.ts";
import { formatNumber } from "../../numbers.ts";
import { measuredSections, sayClient, type Section } from "./sections.ts";
import { SUBJECTS } from "./series.ts";
import { STYLE } from "./style.ts";
import { verdictOf } from "../verdict.ts";

/** A section that a program adds. */
export interface ExtraSection {
  /** Its heading, as plain text. */
  readonly title: string;
  /** What stands below the heading, as HTML; it is not escaped. */
  readonly html: string;
}

// The page needs nothing from the network, and this makes the browser enforce it.
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/**
 * Writes the report of a tuning run as one HTML page that needs nothing else: no network, no
 * other file, no script. The data is in it, as JSON.
 *
 * @param report What was measured.
 * @param extra Further sections, before the one of the machine. Default: none.
 * @returns The page.
 *
 * @example
 * ```ts ignore
 * await Deno.writeTextFile("bench-report.html", renderReport(report));
 * ```
 */
export function renderReport(
  report: TuneReport,
  extra: readonly ExtraSection[] = [],
): string {
  const { effort, seconds, server: { endpoint }, startedAt } = report;
  const started = startedAt.replace("T", " ").replace(/(:\d\d):\d\d(\.\d+)?Z$/, "$1 UTC");
  const summary = `${endpoint} · ${started} · ${effort} run of ${
    formatNumber(seconds)
  } s`;
  const sections = [
    recommendation(report),
    ...measuredSections(report),
    ...extra.map(({ html, title }, index): Section => ({
      ...{ id: `section-${index + 1}`, title, content: new Markup(html) },
    })),
    machine(report),
  ];
  const links = sections.map(({ id, title }) =>
    markup`<li><a href="#${id}">${title}</a></li>`
  );
  const main = sections.map(({ id, title, content }) =>
    markup`<section id="${id}" aria-labelledby="${id}-heading">
<h2 id="${id}-heading">${title}</h2>${content}</section>
`
  );
  return renderPage(
    `Tuning report: ${endpoint}`,
    markup`<header><h1>Redis tuning report</h1><p class="muted">${summary}</p>
${verdict(report)}<nav aria-label="Sections"><ul>${links}</ul></nav></header>
<main>${main}</main>
<footer class="muted">Measured by @mooring/redis; valid for this server, this machine and
this load.</footer>
<script type="application/json" id="report-data">${jsonForScript(report)}</script>`,
  );
}

/** A page with the style of the report, which the browser keeps from the network. */
export function renderPage(title: string, body: Markup): string {
  const page = markup`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">
<title>${title}</title><style>${STYLE}</style></head>
<body>${body}</body></html>
`;
  return page.toString();
}

/** What the run comes to, whether it can be relied on, and what the words mean. */
function verdict(report: TuneReport): Markup {
  const { noise, summary } = verdictOf(report);
  const banner = noise === undefined
    ? ""
    : markup`<p class="warning" role="note"><strong>${noise}</strong></p>`;
  return markup`${banner}<p class="verdict">${summary}</p><p class="muted">
<b>Lane</b>: a connection that many callers share. <b>Lease</b>: a connection that one
caller has alone, for a while. <b>Knee</b>: the number of callers beyond which more of them
bring little. <b>p99</b>: 99 of 100 were no longer.</p>
`;
}

/** What to write into the configuration, and why. */
function recommendation({ advice, points }: TuneReport): Section {
  const lines = advice.map(({ key, value }) => `${key}: ${value}`).join("\n");
  const content = advice.length === 0
    ? markup`<p>Too little was measured to recommend a setting.</p>`
    : markup`<ul class="cards">${advice.map(card)}</ul>
<p>In redis-databases.yaml:</p><pre tabindex="0"><code>${lines}</code></pre>`;
  const all = markup`${failures(points)}${content}`;
  return { id: "recommendation", title: "Recommendation", content: all };
}

function card({ key, value, current, reason }: Advice): Markup {
  const unit = key.endsWith("_timeout") ? " s" : "";
  const before = value === current ? "unchanged" : `now ${formatNumber(current)}${unit}`;
  const start = reason.slice(0, 1).toUpperCase() + reason.slice(1);
  const sentence = start.endsWith(".") ? start : `${start}.`;
  return markup`<li data-key="${key}"><code>${key}</code>
<div class="value">${formatNumber(value)}${unit}<small>${before}</small></div>
<p>${sentence}</p></li>`;
}

/** Commands that failed count in no throughput and in no latency. */
function failures(points: TuneReport["points"]): Markup {
  const failed = points.filter(({ errors }) => errors > 0);
  if (failed.length === 0) return markup``;
  const errors = failed.reduce((sum, point) => sum + point.errors, 0);
  const summary = `${formatNumber(errors)} commands failed, in ` +
    `${formatNumber(failed.length)} of ${formatNumber(points.length)} measurements: ` +
    "read those with care.";
  const firsts = failed.map(({ firstError, mix, subject }) =>
    `${subject}, ${mix}: ${firstError ?? "no reason is known"}`
  );
  const list = [...new Set(firsts)].map((first) => markup`<li>${first}</li>`);
  return markup`<div class="warning"><p>${summary}</p><ul>${list}</ul></div>`;
}

/** Where it was measured, with which versions, and how to read the raw data. */
function machine(report: TuneReport): Section {
  const { clients, machine, points, server } = report;
  const measured = SUBJECTS.filter((subject) => clients[subject] !== undefined);
  const facts = {
    Machine: `${machine.os}, ${machine.arch}, ${formatNumber(machine.cores)} cores`,
    Runtime: `${machine.runtime}, V8 ${machine.v8}`,
    Server: `version ${server.version} at ${server.endpoint}`,
    "Started by": server.isThrowAway ? "this run, on this machine" : "others",
    "I/O threads": formatNumber(server.ioThreads),
    maxclients: formatNumber(server.maxClients),
    Clients: measured.map((subject) => sayClient(report, subject)).join(", ") || "–",
    Measurements: formatNumber(points.length),
  };
  const list = Object.entries(facts).map(([name, value]) =>
    markup`<dt>${name}</dt><dd>${value}</dd>`
  );
  const code = 'JSON.parse(document.getElementById("report-data").textContent)';
  const content = markup`<dl>${list}</dl>
<p>The page holds the data of the JSON file; in the browser's console:</p>
<pre tabindex="0"><code>${code}</code></pre>`;
  return { id: "machine", title: "Machine and versions", content };
}
