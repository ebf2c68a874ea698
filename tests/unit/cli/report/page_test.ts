import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { renderReport } from "../../../../src/cli/tune/report/page.ts";
import { formatNumber } from "../../../../src/cli/numbers.ts";
import { verdictOf } from "../../../../src/cli/tune/verdict.ts";
import { sampleReport } from "../../../support/tune_report.ts";

const report = sampleReport();

/** The page's headings, in order. */
function headings(page: string): string[] {
  return [...page.matchAll(/<h2[^>]*>([^<]*)<\/h2>/g)].map(([, title = ""]) => title);
}

Deno.test("renderReport() begins with the recommendation and ends with the machine", () => {
  assertEquals(
    headings(renderReport(report, [{ title: "Further <1>", html: "<p>x</p>" }])),
    [
      "Recommendation",
      "Throughput",
      "Latency",
      "Side by side",
      "Command mixes",
      "Pool of leases",
      "Value sizes",
      "CPU",
      "Further &lt;1&gt;",
      "Machine and versions",
    ],
  );
});

Deno.test("renderReport() leaves out what was not measured", () => {
  const points = report.points
    .filter(({ sweep, subject }) => sweep === "lanes" && subject === "mooring")
    .map((point) => ({ ...point, clientCpu: null, serverCpu: null }));
  assertEquals(headings(renderReport({ ...report, points })), [
    "Recommendation",
    "Throughput",
    "Latency",
    "Machine and versions",
  ]);
});

Deno.test("renderReport() says of each setting what to write, what is there, and why", () => {
  const page = renderReport(report);
  for (const { key, value, current, reason } of report.advice) {
    const [, card = ""] = page.split(`<li data-key="${key}">`);
    const unit = key.endsWith("_timeout") ? " s" : "";
    assertStringIncludes(card, `<div class="value">${value}${unit}<small>`);
    assertStringIncludes(
      card,
      value === current ? "unchanged" : `now ${current}${unit}</small>`,
    );
    assertStringIncludes(card, reason.replaceAll("'", "&#39;"));
    assertStringIncludes(page, `\n${key}: ${value}`.trimStart());
  }
});

Deno.test("renderReport() makes a sentence of a reason that is none", () => {
  const advice = report.advice.map((advice) => ({
    ...advice,
    reason: "1 lane is enough",
  }));
  assertStringIncludes(renderReport({ ...report, advice }), "<p>1 lane is enough.</p>");
  const lower = advice.map((advice) => ({ ...advice, reason: "the present 1 lane." }));
  assertStringIncludes(
    renderReport({ ...report, advice: lower }),
    "<p>The present 1 lane.</p>",
  );
});

Deno.test("renderReport() warns of commands that failed, and only then", () => {
  const points = report.points.map((point, index) => ({
    ...point,
    errors: index < 2 ? 600 : 0,
  }));
  assertStringIncludes(
    renderReport({ ...report, points }),
    `1,200 commands failed, in 2 of ${points.length} measurements`,
  );
  assert(!renderReport(report).includes("commands failed"));
});

Deno.test("renderReport() says what the first failures said, each once, as text", () => {
  const points = report.points.map((point, index) => ({
    ...point,
    ...index < 2 ? { errors: 3, firstError: "OOM <command> not allowed" } : {},
  }));
  const page = renderReport({ ...report, points });
  const said = "mooring, get-heavy: OOM &lt;command&gt; not allowed";
  assertEquals(page.split(said).length - 1, 1);
});

Deno.test("renderReport() draws how the p99 of the rounds differs", () => {
  const [point] = report.points;
  const { high, low } = point!.latencyMs.p99;
  const said = `(${formatNumber(low)} to ${formatNumber(high)})`;
  const figure = renderReport(report).match(
    /<figure[^>]*id="latency-by-lanes".*?<.figure>/s,
  );
  assertStringIncludes(figure![0], said);
});

Deno.test("renderReport() names machine, versions and server", () => {
  const page = renderReport(report);
  const { machine, server, clients } = report;
  for (
    const fact of [
      machine.runtime,
      `V8 ${machine.v8}`,
      machine.os,
      machine.arch,
      `${machine.cores} cores`,
      `version ${server.version} at ${server.endpoint}`,
      "10,000",
      ...Object.entries(clients).map((client) => client.join(" ")),
    ]
  ) assertStringIncludes(page.slice(page.indexOf("Machine and versions</h2>")), fact);
});

Deno.test("renderReport() opens with the verdict, and with a banner where the machine was noisy", () => {
  const { summary } = verdictOf(report);
  const page = renderReport(report);
  assertStringIncludes(page, `</p>\n<p class="verdict">${summary}</p>`);
  assert(page.indexOf(summary) < page.indexOf("<nav"));
  for (const word of ["Lane", "Lease", "Knee"]) {
    assertStringIncludes(page, `<b>${word}</b>: `);
  }
  assertEquals(page.includes('role="note"'), false);
  const points = report.points.map((point) => {
    const { median } = point.perSecond;
    return { ...point, perSecond: { median, low: 0.6 * median, high: 1.4 * median } };
  });
  assertMatch(
    renderReport({ ...report, points }),
    /<p class="warning" role="note"><strong>The machine was too noisy .*±40 %/,
  );
});

Deno.test("renderReport() gives ratios with the interval that the rounds leave", () => {
  const page = renderReport(report);
  const ratios = [...page.matchAll(/<td>([\d.]+)× \(([\d.]+) to ([\d.]+)\)<\/td>/g)];
  assertEquals(ratios.length, 22);
  for (const [text, ...numbers] of ratios) {
    const [ratio = 0, low = 0, high = 0] = numbers.map(Number);
    assert(low < ratio && ratio < high && high < 1.3 * low, text);
  }
});
