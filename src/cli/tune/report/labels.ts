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

/**
 * Finds a place for each text that covers no other text and no point: above, below, then
 * at the sides. A text that has none is left out: the legend and the table say it too.
 *
 * @param anchors What to place, the most important first.
 * @param points Where points are drawn.
 * @param plot Where texts may stand.
 * @param character About the width of a character.
 * @returns The texts that found a place, with the middle of their base line.
 */
export function placeLabels(
  anchors: readonly Anchor[],
  points: readonly { readonly x: number; readonly y: number }[],
  plot: Plot,
  character: number,
): Anchor[] {
  const taken: Box[] = points.map(({ x, y }) => around(x, y, REACH, REACH));
  const placed: Anchor[] = [];
  for (const anchor of anchors) {
    const half = anchor.text.length * character / 2;
    const aside = half + DISTANCE - HEIGHT / 2;
    const places = [[0, -DISTANCE], [0, DISTANCE], [aside, 0], [-aside, 0]] as const;
    for (const [dx, dy] of places) {
      const box = around(anchor.x + dx, anchor.y + dy, half, HEIGHT / 2);
      if (!isInside(box, plot) || taken.some((other) => overlap(box, other))) continue;
      taken.push(box);
      placed.push({ x: anchor.x + dx, y: anchor.y + dy + REACH, text: anchor.text });
      break;
    }
  }
  return placed;
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
