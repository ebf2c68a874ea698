import type { Advice, TuneReport } from "../report_types.ts";
import { element, join, jsonForScript, type Markup, text, trusted } from "./markup.ts";
import { formatNumber } from "./number_style.ts";
import { measuredSections, sayClient, type Section, SUBJECTS } from "./sections.ts";
import { STYLE } from "./style.ts";

/** A section that somebody else has drawn. */
export interface ExtraSection {
  /** Its heading, as plain text. */
  readonly title: string;
  /** What stands below the heading, as HTML; it is not escaped. */
  readonly html: string;
}

// The page needs nothing from anywhere, and with this the browser holds it to that.
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/**
 * Writes the report of a tuning run as one HTML page that needs nothing else: no network, no
 * other file, no script. The data is in it, as JSON.
 *
 * @param report What was measured.
 * @param sections Further sections, before the one of the machine. Default: none.
 * @returns The page.
 *
 * @example
 * ```ts ignore
 * await Deno.writeTextFile("bench-report.html", renderReport(report));
 * ```
 */
export function renderReport(
  report: TuneReport,
  sections: readonly ExtraSection[] = [],
): string {
  const all = [
    recommendation(report),
    ...measuredSections(report),
    ...sections.map(({ title, html }, index): Section => ({
      id: `section-${index + 1}`,
      title,
      content: trusted(html),
    })),
    machine(report),
  ];
  return `<!doctype html>\n${
    element("html", { lang: "en" }, head(report), body(report, all))
  }\n`;
}

function head(report: TuneReport): Markup {
  return element(
    "head",
    {},
    element("meta", { charset: "utf-8" }),
    element("meta", { "http-equiv": "Content-Security-Policy", content: POLICY }),
    element("meta", { name: "viewport", content: "width=device-width, initial-scale=1" }),
    element("meta", { name: "color-scheme", content: "light dark" }),
    element("link", { rel: "icon", href: "data:," }),
    element("title", {}, text(`Tuning report: ${report.server.endpoint}`)),
    element("style", {}, STYLE),
  );
}

function body(report: TuneReport, sections: readonly Section[]): Markup {
  return element(
    "body",
    {},
    element(
      "header",
      {},
      element("h1", {}, text("Redis tuning report")),
      element("p", { class: "muted" }, text(summary(report))),
      navigation(sections),
    ),
    element("main", {}, join(sections.map(written))),
    element(
      "footer",
      { class: "muted" },
      text(
        "Measured by @mooring/redis; valid for this server, this machine and this load.",
      ),
    ),
    element(
      "script",
      { type: "application/json", id: "report-data" },
      jsonForScript(report),
    ),
  );
}

function summary({ server, startedAt, seconds, effort }: TuneReport): string {
  const started = startedAt.replace("T", " ").replace(/(:\d\d):\d\d(\.\d+)?Z$/, "$1 UTC");
  return `${server.endpoint} · ${started} · ${effort} run of ${formatNumber(seconds)} s`;
}

function navigation(sections: readonly Section[]): Markup {
  const links = sections.map(({ id, title }) =>
    element("li", {}, element("a", { href: `#${id}` }, text(title)))
  );
  return element("nav", { "aria-label": "Sections" }, element("ul", {}, ...links));
}

function written({ id, title, content }: Section): Markup {
  return element(
    "section",
    { id, "aria-labelledby": `${id}-heading` },
    element("h2", { id: `${id}-heading` }, text(title)),
    content,
  );
}

function paragraph(words: string): Markup {
  return element("p", {}, text(words));
}

function codeBlock(code: string): Markup {
  return element("pre", { tabindex: 0 }, element("code", {}, text(code)));
}

/** What to write into the configuration, and why. */
function recommendation(report: TuneReport): Section {
  const { advice } = report;
  const content = advice.length === 0
    ? [paragraph("Too little was measured to recommend a setting.")]
    : [
      element("ul", { class: "cards" }, ...advice.map(card)),
      paragraph("In redis-databases.yaml:"),
      codeBlock(advice.map(({ key, value }) => `${key}: ${value}`).join("\n")),
    ];
  return {
    id: "recommendation",
    title: "Recommendation",
    content: join([...failures(report), ...content]),
  };
}

function card({ key, value, current, reason }: Advice): Markup {
  const unit = key.endsWith("_timeout") ? " s" : "";
  const before = value === current ? "unchanged" : `now ${formatNumber(current)}${unit}`;
  const sentence = reason.slice(0, 1).toUpperCase() + reason.slice(1);
  return element(
    "li",
    { "data-key": key },
    element("code", {}, text(key)),
    element(
      "div",
      { class: "value" },
      text(`${formatNumber(value)}${unit}`),
      element("small", {}, text(before)),
    ),
    paragraph(sentence.endsWith(".") ? sentence : `${sentence}.`),
  );
}

/** Commands that failed count in no throughput and in no latency. */
function failures({ points }: TuneReport): Markup[] {
  const failed = points.filter(({ errors }) => errors > 0);
  if (failed.length === 0) return [];
  const errors = failed.reduce((sum, point) => sum + point.errors, 0);
  const firsts = new Set(
    failed.map(({ firstError, mix, subject }) =>
      `${subject}, ${mix}: ${firstError ?? "no reason is known"}`
    ),
  );
  const summary = `${formatNumber(errors)} commands failed, in ` +
    `${formatNumber(failed.length)} of ${formatNumber(points.length)} measurements: ` +
    "read those with care.";
  const list = [...firsts].map((words) => element("li", {}, text(words)));
  return [
    element("div", { class: "warning" }, paragraph(summary), element("ul", {}, ...list)),
  ];
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
    join([element("dt", {}, text(name)), element("dd", {}, text(value))])
  );
  return {
    id: "machine",
    title: "Machine and versions",
    content: join([
      element("dl", {}, ...list),
      paragraph("The page holds the data of the JSON file; in the browser's console:"),
      codeBlock('JSON.parse(document.getElementById("report-data").textContent)'),
    ]),
  };
}
