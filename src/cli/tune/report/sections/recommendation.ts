import type { Advice, Point, TuneReport } from "../../report_types.ts";
import { element, join, type Markup, text } from "../markup.ts";
import { formatNumber } from "../number_style.ts";
import { paragraph, type Section } from "../section.ts";

/**
 * What to write into the configuration, and why.
 *
 * @param report The report.
 * @returns The section.
 */
export function recommendationSection(report: TuneReport): Section {
  return {
    id: "recommendation",
    title: "Recommendation",
    content: join([failures(report), ...advice(report.advice)]),
  };
}

function advice(advice: readonly Advice[]): Markup[] {
  if (advice.length === 0) {
    return [paragraph("Too little was measured to recommend a setting.")];
  }
  const lines = advice.map(({ key, value }) => `${key}: ${value}`).join("\n");
  return [
    element("ul", { class: "cards" }, ...advice.map(card)),
    paragraph("In redis-databases.yaml:"),
    element("pre", { tabindex: 0 }, element("code", {}, text(lines))),
  ];
}

function card({ key, value, current, reason }: Advice): Markup {
  const unit = key.endsWith("_timeout") ? " s" : "";
  const before = value === current
    ? "as it is now"
    : `now ${formatNumber(current)}${unit}`;
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
    element("p", {}, text(sentence(reason))),
  );
}

/** A reason is written for a terminal's line: here it stands alone. */
function sentence(reason: string): string {
  const end = reason.endsWith(".") ? "" : ".";
  return `${reason.slice(0, 1).toUpperCase()}${reason.slice(1)}${end}`;
}

/** A measurement with failures is not one of the commands that succeed. */
function failures(report: TuneReport): Markup {
  const failed = report.points.filter(({ errors }) => errors > 0);
  if (failed.length === 0) return text("");
  const errors = failed.reduce((sum, point) => sum + point.errors, 0);
  const firsts = new Set(failed.map(firstOf));
  return element(
    "div",
    { class: "warning" },
    paragraph(
      `${formatNumber(errors)} commands failed, in ${formatNumber(failed.length)} of ` +
        `${formatNumber(report.points.length)} measurements: read those with care.`,
    ),
    element("ul", {}, ...[...firsts].map((words) => element("li", {}, text(words)))),
  );
}

/** What the first failure of a measurement said. */
function firstOf({ firstError, mix, subject }: Point): string {
  return `${subject}, ${mix}: ${firstError ?? "no reason is known"}`;
}
