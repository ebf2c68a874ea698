import type { Plot } from "./frame.ts";

/** A point that a text is to stand beside. */
export interface Anchor {
  /** Place of the point. */
  readonly x: number;
  /** Place of the point. */
  readonly y: number;
  /** The text. */
  readonly text: string;
}

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Height of a text. */
const HEIGHT = 14;

/** From a point to the middle of its text. */
const DISTANCE = 20;

/** Half the size of what is drawn at a point. */
const REACH = 4;

/** Half the size of the ring around a point that has a text. */
const RING = 9;

/** Half the room that a line is given, and how far apart the pieces of it are. */
const LINE = 2;
const PIECE = 6;

/** A place on the drawing. */
export interface Place {
  /** From the left. */
  readonly x: number;
  /** From the top. */
  readonly y: number;
}

/**
 * Finds a place for each text that covers no other text, no point and no line: above,
 * below, at the corners, then at the sides. A text that has none is left out: the legend
 * and what a pointer reads say it too.
 *
 * @param anchors What to place, the most important first.
 * @param lines Where the points of each line are drawn.
 * @param plot Where texts may stand.
 * @param character About the width of a character.
 * @returns The texts that found a place, with the middle of their base line.
 */
export function placeLabels(
  anchors: readonly Anchor[],
  lines: readonly (readonly Place[])[],
  plot: Plot,
  character: number,
): Anchor[] {
  const taken: Box[] = [
    ...lines.flatMap(along),
    ...anchors.map(({ x, y }) => around(x, y, RING, RING)),
  ];
  const placed: Anchor[] = [];
  for (const anchor of anchors) {
    const half = anchor.text.length * character / 2;
    for (const [dx, dy] of placesAround(half)) {
      const box = around(anchor.x + dx, anchor.y + dy, half, HEIGHT / 2);
      if (!isInside(box, plot) || taken.some((other) => overlap(box, other))) continue;
      taken.push(box);
      placed.push({ x: anchor.x + dx, y: anchor.y + dy + REACH, text: anchor.text });
      break;
    }
  }
  return placed;
}

/** From a point to the middles of the places for a text that is twice `half` wide. */
function placesAround(half: number): [dx: number, dy: number][] {
  const aside = half + DISTANCE - HEIGHT / 2;
  const [corner, slant] = [half + LINE, DISTANCE * 0.8];
  return [
    [0, -DISTANCE],
    [0, DISTANCE],
    [-corner, -slant],
    [corner, slant],
    [corner, -slant],
    [-corner, slant],
    [aside, 0],
    [-aside, 0],
  ];
}

/** What a line and its points cover. */
function along(line: readonly Place[]): Box[] {
  return line.flatMap(({ x, y }, index) => {
    const to = line[index + 1] ?? { x, y };
    const pieces = Math.ceil(Math.hypot(to.x - x, to.y - y) / PIECE);
    const boxes = Array.from({ length: pieces }, (_, piece) => {
      const part = piece / pieces;
      return around(x + (to.x - x) * part, y + (to.y - y) * part, LINE, LINE);
    });
    return [around(x, y, REACH, REACH), ...boxes];
  });
}

function around(x: number, y: number, halfWidth: number, halfHeight: number): Box {
  return {
    left: x - halfWidth,
    right: x + halfWidth,
    top: y - halfHeight,
    bottom: y + halfHeight,
  };
}

function isInside(box: Box, plot: Plot): boolean {
  return box.left >= plot.left && box.right <= plot.right && box.top >= plot.top &&
    box.bottom <= plot.bottom;
}

function overlap(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
