import { type Cursor, isLineBreak, isSeparator } from "./cursor.ts";
import { MAX_DEPTH, type PositionMap } from "./position_map.ts";

/** A flow collection that is open. */
interface FlowFrame {
  readonly kind: "map" | "list";
  readonly path: readonly string[];
  /** Path of the entry that is being read. */
  child: readonly string[];
  index: number;
  /** In a map: whether the next scalar is a key. */
  atKey: boolean;
}

/** Characters that end a plain scalar inside a flow collection. */
const INDICATORS = ",[]{}";

/**
 * Reads a flow collection, `{…}` or `[…]`, with all that is in it, over as many lines
 * as it takes.
 *
 * @param cursor Stands on the opening bracket; afterwards past the closing one.
 * @param positions Where the entries' positions go.
 * @param path Path of the collection.
 */
export function locateFlow(
  cursor: Cursor,
  positions: PositionMap,
  path: readonly string[],
): void {
  const frames: FlowFrame[] = [];
  let depth = 0;
  while (!cursor.done) {
    const char = cursor.peek()!;
    if (isLineBreak(char)) cursor.nextLine();
    else if (char === " " || char === "\t") cursor.at++;
    else if (char === "#") cursor.at = cursor.lineEnd;
    else if (char === "{" || char === "[") {
      depth++;
      const top = frames.at(-1);
      const child = top === undefined ? path : noteValue(cursor, positions, top);
      // Past the depth that is kept, what is inside counts as the last kept one's.
      if (frames.length < MAX_DEPTH) frames.push(newFrame(char, child));
      else positions.noteTooDeep(child, cursor.position());
      cursor.at++;
    } else if (char === "}" || char === "]") {
      cursor.at++;
      depth--;
      if (depth <= 0) return;
      if (depth < frames.length) frames.length = depth;
    } else readToken(cursor, positions, frames.at(-1)!, char);
  }
}

function newFrame(open: string, path: readonly string[]): FlowFrame {
  const kind = open === "{" ? "map" : "list";
  return { kind, path, child: path, index: 0, atKey: kind === "map" };
}

function readToken(
  cursor: Cursor,
  positions: PositionMap,
  frame: FlowFrame,
  char: string,
): void {
  if (char === ",") {
    cursor.at++;
    frame.index++;
    frame.atKey = frame.kind === "map";
  } else if (char === ":") {
    cursor.at++;
    frame.atKey = false;
  } else if (char === "&" || char === "!") {
    cursor.skipProperties();
  } else if (frame.atKey) {
    const start = cursor.position();
    frame.child = [...frame.path, readScalar(cursor)];
    positions.add(frame.child, { key: start, value: start, quoted: false });
    frame.atKey = false;
  } else {
    noteValue(cursor, positions, frame);
    readScalar(cursor);
  }
}

/** Notes where the value that starts here stands, and gives its path. */
function noteValue(
  cursor: Cursor,
  positions: PositionMap,
  frame: FlowFrame,
): readonly string[] {
  const value = cursor.position();
  const quoted = cursor.peek() === '"' || cursor.peek() === "'";
  if (frame.kind === "list") {
    frame.child = [...frame.path, String(frame.index)];
    positions.set(frame.child, { key: value, value, quoted });
  } else {
    const key = positions.get(frame.child)?.key ?? value;
    positions.set(frame.child, { key, value, quoted });
  }
  return frame.child;
}

function readScalar(cursor: Cursor): string {
  const start = cursor.at;
  if (cursor.peek() === '"' || cursor.peek() === "'") {
    cursor.skipQuoted();
    return cursor.text.slice(start + 1, cursor.at - 1);
  }
  // At least one character, or a stray one would be read for ever.
  cursor.at++;
  while (!cursor.done) {
    const char = cursor.peek()!;
    const next = cursor.peek(1);
    if (INDICATORS.includes(char) || isLineBreak(char)) break;
    if (char === ":" && (isSeparator(next) || INDICATORS.includes(next!))) break;
    if (char === "#" && isSeparator(cursor.peek(-1))) break;
    cursor.at++;
  }
  return cursor.text.slice(start, cursor.at).trim();
}
