import type { TuneReport } from "../../report_types.ts";
import { element, join, type Markup, text } from "../markup.ts";
import { formatNumber } from "../number_style.ts";
import { paragraph, type Section } from "../section.ts";
import { SUBJECTS } from "../select.ts";

/**
 * Where it was measured, with which versions, and how to read the raw data.
 *
 * @param report The report.
 * @returns The section.
 */
export function machineSection(report: TuneReport): Section {
  const { machine, server, clients, points } = report;
  const measured = SUBJECTS.flatMap((subject) => {
    const version = clients[subject];
    return version === undefined ? [] : [`${subject} ${version}`];
  });
  const facts: readonly (readonly [name: string, value: string])[] = [
    ["Machine", `${machine.os}, ${machine.arch}, ${formatNumber(machine.cores)} cores`],
    ["Runtime", `${machine.runtime}, V8 ${machine.v8}`],
    ["Server", `version ${server.version} at ${server.endpoint}`],
    ["Server's kind", server.isThrowAway ? "started for this, on this machine" : "yours"],
    ["I/O threads", formatNumber(server.ioThreads)],
    ["maxclients", formatNumber(server.maxClients)],
    ["Clients", measured.join(", ") || "–"],
    ["Measurements", formatNumber(points.length)],
  ];
  return {
    id: "machine",
    title: "Machine and versions",
    content: join([
      element("dl", {}, ...facts.map(fact)),
      paragraph(
        "This page holds the raw data too, the same as the JSON file: in the browser's " +
          "console,",
      ),
      element(
        "pre",
        { tabindex: 0 },
        element(
          "code",
          {},
          text('JSON.parse(document.getElementById("report-data").textContent)'),
        ),
      ),
    ]),
  };
}

function fact([name, value]: readonly [name: string, value: string]): Markup {
  return join([element("dt", {}, text(name)), element("dd", {}, text(value))]);
}
