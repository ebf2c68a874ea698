import { parse } from "@std/yaml/parse";
import type { Origin } from "../origin.ts";
import { knownPath } from "../schema/known_path.ts";
import { locateYaml, type YamlPositions } from "./locate.ts";
import { MAX_DEPTH } from "./position_map.ts";

/** Largest file that is parsed, in characters: room for some 2,000 databases. */
export const MAX_YAML_LENGTH = 262_144;

/** A parsed text with its positions, or what is wrong with it. */
export type YamlDocument =
  | { readonly ok: true; readonly value: unknown; readonly positions: YamlPositions }
  | {
    readonly ok: false;
    readonly origin: Origin;
    readonly key: string;
    readonly message: string;
  };

/**
 * Parses a YAML text. Every scalar stays the text that it is (YAML's `failsafe`
 * schema): what it means is decided by the setting that it is for, so `010`, `1_000`,
 * `yes` and bare dates are never guessed at.
 *
 * The parser's own messages quote the line, and with it any password on it; they are
 * never passed on.
 *
 * @param text The text.
 * @param origin What it is known by, without line.
 * @returns The value with its positions, or the problem.
 */
export function parseYaml(text: string, origin: Origin): YamlDocument {
  const refuse = (message: string, at: object = {}, key: string = ""): YamlDocument => ({
    ok: false,
    origin: { ...origin, ...at },
    key,
    message,
  });
  if (text.length > MAX_YAML_LENGTH) {
    return refuse(`found ${text.length} characters, allowed: at most ${MAX_YAML_LENGTH}`);
  }
  const positions = locateYaml(text);
  const { tab, entries } = positions;
  if (tab !== undefined) {
    const key = keyAt(positions, tab.line - 1);
    return refuse("a tab indents the line, allowed: spaces only", tab, key);
  }
  const { tooDeep } = entries;
  if (tooDeep !== undefined) {
    const message = `lists and mappings are nested deeper than ${MAX_DEPTH}`;
    return refuse(message, tooDeep.position, knownPath(tooDeep.path));
  }
  try {
    return { ok: true, value: parse(text, { schema: "failsafe" }), positions };
  } catch (error) {
    if (error instanceof RangeError) {
      return refuse("lists and mappings are nested too deeply to be read");
    }
    if (positions.second !== undefined) {
      return refuse("a second document starts, allowed: one", positions.second);
    }
    const duplicate = entries.duplicate;
    if (duplicate !== undefined) {
      const key = knownPath(duplicate.path);
      return refuse("this key is given twice", duplicate.position, key);
    }
    const at = errorPosition(error);
    const hint = at === undefined ? "" : hintFor(text.split("\n")[at.line - 1] ?? "");
    const key = at && keyAt(positions, at.line);
    return refuse(`this is not valid YAML${hint}`, at, key);
  }
}

/** What is probably wrong with a line; nothing of it is told. */
function hintFor(line: string): string {
  const unquoted = line.search(/[^'"]\$\{/);
  return unquoted >= 0 && /[{[]/.test(line.slice(0, unquoted + 1))
    ? "; within {…} and […] a ${NAME} needs quotes around it"
    : "";
}

/** Line and column of a parser's error; older versions say them only in the message. */
function errorPosition(error: unknown): { line: number; column: number } | undefined {
  if (!(error instanceof Error)) return undefined;
  if ("line" in error && "column" in error) {
    const { line, column } = error;
    if (typeof line === "number" && typeof column === "number") return { line, column };
  }
  const match = /at line (\d+), column (\d+)/.exec(error.message);
  return match === null
    ? undefined
    : { line: Number(match[1]), column: Number(match[2]) };
}

/** The setting that a line is about, as far as its path is known. */
function keyAt({ entries }: YamlPositions, line: number): string {
  return knownPath(entries.pathAt(line) ?? []);
}
