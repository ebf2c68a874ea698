/**
 * The documents' tables of failures, out of the tables that the code works with.
 *
 * @module
 */

import { FAILURE_KINDS, type FailureRule } from "../src/resilience/failure_kinds.ts";
import { STATEFUL, SUBSCRIBING } from "../src/resilience/command_table.ts";
import { REPLY_ERRORS, type ReplyErrorRule } from "../src/resilience/reply_errors.ts";

/** A table in Markdown as `deno fmt` formats it: columns as wide as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [line(rows[0]!), rule, ...rows.slice(1).map(line)].join("\n");
}

const COUNTS: Readonly<Record<FailureRule["counts"], string>> = {
  attempt: "once in `connect_retry.min`",
  event: "once, until a connection is open",
  never: "no",
};

const CURES: Readonly<Record<FailureRule["cure"], string>> = {
  connection: "a connection",
  reply: "a reply",
};

/**
 * What is evidence against a server, for its circuit breaker.
 *
 * @returns A table in Markdown.
 */
export function breakerMarkdown(): string {
  return table([
    ["failure", "counts", "over with", "what it is", "why"],
    ...Object.entries(FAILURE_KINDS).map(([kind, { counts, cure, meaning, why }]) => [
      `\`${kind}\``,
      COUNTS[counts],
      counts === "never" ? "" : CURES[cure],
      meaning,
      why,
    ]),
  ]);
}

function doneAbout({ action, reresolve }: ReplyErrorRule): string {
  if (action === "redirect") {
    return "in a cluster it is sent to the node that the reply names";
  }
  if (action !== "wait") return "reported to the caller";
  return `retried within the deadline${reresolve ? ", on a new connection" : ""}`;
}

/**
 * What is done about the server's error replies.
 *
 * @returns A table in Markdown.
 */
export function repliesMarkdown(): string {
  return table([
    ["reply", "what it means", "what is done"],
    ...[...REPLY_ERRORS.values()].map((rule) => [
      `\`${rule.code}\``,
      rule.meaning,
      doneAbout(rule),
    ]),
    ["any other", "the server answered with an error", "reported to the caller"],
  ]);
}

/**
 * Which commands a shared client refuses, and what to call in their place.
 *
 * @returns A table in Markdown.
 */
export function refusedMarkdown(): string {
  const refused = Map.groupBy([...STATEFUL, ...SUBSCRIBING], ([, instead]) => instead);
  const nameOf = (command: string) => `\`${command.replace("|", " ").toUpperCase()}\``;
  return table([
    ["refused", "instead"],
    ...[...refused].map(([instead, commands]) => [
      commands.map(([command]) => nameOf(command)).join(", "),
      instead.replace(/^use /, "").replace(
        /(?:manager|lease\.client)\.\w+\(\)|\bunsubscribe\(\)|mode: cluster/g,
        "`$&`",
      ),
    ]),
  ]);
}
