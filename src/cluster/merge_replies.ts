import type { ResponsePolicy } from "../resilience/command_spread.ts";

type Numbers = number | readonly number[];

/** Combines numbers, or lists of numbers place by place, as `SCRIPT EXISTS` gives them. */
function combine(how: (a: number, b: number) => number) {
  return (replies: readonly unknown[]): unknown =>
    (replies as readonly Numbers[]).reduce((a, b) => {
      if (!Array.isArray(a)) return how(Number(a), Number(b));
      return a.map((value, i) => how(Number(value), Number((b as number[])[i])));
    });
}

/** Joins lists: what a node gave that another one gave, too, was moved meanwhile. */
function join(replies: readonly unknown[]): unknown[] {
  const all = replies.flat(1);
  const texts = new Map(all.map((item) => [textOf(item), item]));
  return texts.size === all.length ? all : [...texts.values()];
}

const decoder = new TextDecoder("latin1");

function textOf(item: unknown): unknown {
  return item instanceof Uint8Array ? decoder.decode(item) : item;
}

/** Any of the replies that are something, at random; `null` if none is. */
function pick(replies: readonly unknown[]): unknown {
  const values = replies.filter((reply) => reply !== null);
  return values[Math.floor(Math.random() * values.length)] ?? null;
}

const MERGES: Readonly<
  Record<ResponsePolicy, (replies: readonly unknown[]) => unknown>
> = {
  all_succeeded: ([reply]) => reply,
  one_succeeded: ([reply]) => reply,
  agg_sum: combine((a, b) => a + b),
  agg_min: combine(Math.min),
  agg_max: combine(Math.max),
  agg_logical_and: combine((a, b) => a && b ? 1 : 0),
  agg_logical_or: combine((a, b) => a || b ? 1 : 0),
  joined: join,
  special: pick,
};

/**
 * Makes one reply out of those of several nodes.
 *
 * @param policy The command's response policy; `special` is RANDOMKEY's.
 * @param replies At least one, in the order of the nodes; none is an error.
 */
export function mergeReplies(
  policy: ResponsePolicy,
  replies: readonly unknown[],
): unknown {
  return MERGES[policy](replies);
}
