import type { TuneReport } from "../report_types.ts";
import { element, join, jsonForScript, type Markup, text, trusted } from "./markup.ts";
import { formatNumber } from "./number_style.ts";
import type { Section } from "./section.ts";
import { comparisonSection } from "./sections/comparison.ts";
import { cpuSection } from "./sections/cpu.ts";
import { latencySection } from "./sections/latency.ts";
import { leasesSection } from "./sections/leases.ts";
import { machineSection } from "./sections/machine.ts";
import { mixesSection } from "./sections/mixes.ts";
import { recommendationSection } from "./sections/recommendation.ts";
import { throughputSection } from "./sections/throughput.ts";
import { valuesSection } from "./sections/values.ts";
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
    recommendationSection(report),
    throughputSection(report),
    latencySection(report),
    comparisonSection(report),
    mixesSection(report),
    leasesSection(report),
    valuesSection(report),
    cpuSection(report),
    ...sections.map(({ title, html }, index): Section => ({
      id: `section-${index + 1}`,
      title,
      content: trusted(html),
    })),
    machineSection(report),
  ].filter((section) => section !== undefined);
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
        "Measured by @mooring/redis: true of this server, this machine and this load.",
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
