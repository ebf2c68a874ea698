/**
 * Judges writes by what went over the wire: what callers were told must be what servers
 * said, and what a server said and does not have it has forgotten itself.
 *
 * @module
 */

import { RespError } from "../../src/testing/resp_parser.ts";
import type { Outcome } from "./accounting.ts";
import type { WireCommand } from "./write_tap.ts";

/** What a caller was told of a write: an INCR, or an RPUSH of a token of its own. */
export interface ToldWrite {
  /** The key. */
  readonly key: string;
  /** What an RPUSH appended; an INCR has none. */
  readonly token?: string;
  /** How it ended. */
  readonly outcome: Outcome;
  /** The number that the caller got, if it got one. */
  readonly reply?: number;
}

/** What {@linkcode judgeWrites} is given. */
export interface WireEvidence {
  /** What the tap saw. */
  readonly wire: readonly WireCommand[];
  /** What callers were told, of all writes. */
  readonly told: readonly ToldWrite[];
  /** What the servers have at the end: a number for a counter, the tokens of a list. A key
   * that is left out is judged by the wire alone. */
  readonly kept: ReadonlyMap<string, number | readonly string[]>;
}

/** What {@linkcode judgeWrites} found. */
export interface WireVerdict {
  /** What the client, or the server without a word, did wrong: none is allowed. */
  readonly wrong: string[];
  /** Writes that a server acknowledged on the wire and did not keep where it said. */
  readonly forgotten: string[];
}

/** Compares what callers were told, what servers said, and what they have. */
export function judgeWrites({ wire, told, kept }: WireEvidence): WireVerdict {
  const verdict: WireVerdict = { wrong: [], forgotten: [] };
  const wireOf = Map.groupBy(wire, ({ args }) => args[0]!);
  const toldOf = Map.groupBy(told, ({ key }) => key);
  for (const key of new Set([...wireOf.keys(), ...toldOf.keys(), ...kept.keys()])) {
    const own = { wire: wireOf.get(key) ?? [], told: toldOf.get(key) ?? [] };
    const isList = own.told.some(({ token }) => token !== undefined);
    const name = isList ? "RPUSH" : "INCR";
    const { asked = [], other = [] } = Object.groupBy(
      own.wire,
      (each) => each.name === name ? "asked" : "other",
    );
    for (const each of other) {
      verdict.wrong.push(`${key}: nobody asked for ${shown(each)}`);
    }
    own.wire = asked;
    if (isList) judgeList(key, own, kept.get(key) as string[] | undefined, verdict);
    else judgeCounter(key, own, kept.get(key) as number | undefined, verdict);
  }
  return verdict;
}

interface OfOneKey {
  readonly wire: readonly WireCommand[];
  readonly told: readonly ToldWrite[];
}

/** An error reply says that the command did not run; no reply says nothing. */
function mayHaveRun({ reply }: WireCommand): boolean {
  return !(reply instanceof RespError);
}

/** INCRs of a counter look alike, so they are counted by the numbers they got. */
function judgeCounter(
  key: string,
  { wire, told }: OfOneKey,
  value: number | undefined,
  { wrong, forgotten }: WireVerdict,
): void {
  const ran = wire.filter(mayHaveRun);
  const silent = ran.filter(({ reply }) => reply === undefined);
  const said = Map.groupBy(
    ran.filter(({ reply }) => reply !== undefined),
    ({ reply }) => Number(reply),
  );
  const heard = Map.groupBy(
    told.filter(({ outcome }) => outcome === "acknowledged"),
    ({ reply }) => Number(reply),
  );
  for (const [number, callers] of heard) {
    const times = said.get(number)?.length ?? 0;
    if (callers.length > times) {
      wrong.push(
        `${key}: ${callers.length} were told ${number}, servers said it ${times}×`,
      );
    }
  }
  const mayBe =
    told.filter(({ outcome }) => outcome === "acknowledged" || outcome === "ambiguous")
      .length;
  if (ran.length > mayBe) {
    wrong.push(`${key}: ${ran.length} INCRs may have run, callers know of ${mayBe}`);
  }
  for (const [number, twice] of said) {
    if (twice.length > 1) {
      forgotten.push(
        `${key}: ${number} was given by ${twice.map(shown).join(" and by ")}`,
      );
    } else if (value !== undefined && number > value) {
      forgotten.push(
        `${key}: ${number} was given by ${shown(twice[0]!)}, it is ${value}`,
      );
    }
  }
  if (value === undefined) return;
  const known = [...said.keys()].filter((number) => number <= value).length;
  if (value - known > silent.length) {
    wrong.push(
      `${key} is ${value}: ${known} numbers were given, ${silent.length} INCRs had no reply`,
    );
  }
}

/** RPUSHes of tokens are judged one by one. */
function judgeList(
  key: string,
  { wire, told }: OfOneKey,
  list: readonly string[] | undefined,
  { wrong, forgotten }: WireVerdict,
): void {
  const ran = Map.groupBy(wire.filter(mayHaveRun), ({ args }) => args[1]!);
  for (const [token, commands] of ran) {
    if (commands.length > 1) {
      wrong.push(
        `${key}: ${token} was sent again: ${commands.map(shown).join(", then ")}`,
      );
    }
  }
  const places = new Map<string, number>();
  for (const [i, token] of (list ?? []).entries()) {
    if (places.has(token)) wrong.push(`${key}: ${token} is there twice`);
    if (!ran.has(token)) wrong.push(`${key}: ${token} is there and must not have run`);
    places.set(token, i + 1);
  }
  for (const { token, outcome, reply } of told) {
    const [command] = ran.get(token!) ?? [];
    if (outcome === "ambiguous") continue;
    if (outcome !== "acknowledged") {
      if (command) wrong.push(`${key}: ${token} is called ${outcome}: ${shown(command)}`);
    } else if (command === undefined || command.reply !== reply) {
      const what = command ? shown(command) : "nothing";
      wrong.push(`${key}: ${token} was told ${reply}, on the wire is ${what}`);
    } else if (list !== undefined && places.get(token!) !== reply) {
      const place = places.get(token!) ?? "nowhere";
      forgotten.push(`${key}: ${token} is at place ${place}: ${shown(command)}`);
    }
  }
}

/** A command with all that is needed to find it in a server's log. */
function shown(command: WireCommand): string {
  const { name, args, node, connection, sentAt, reply, repliedAt } = command;
  const times = [sentAt, repliedAt].map((at) =>
    at === undefined ? "never" : at.toFixed(1)
  );
  return `${node}#${connection} (${name} ${args.join(" ")} at ${times[0]} ms, ` +
    `${reply ?? "no reply"} at ${times[1]} ms)`;
}
