/**
 * Commands that a cluster runs on several of its nodes, in the words of Redis' command tips
 * (`COMMAND INFO`, `request_policy` and `response_policy`).
 *
 * @see https://redis.io/docs/latest/develop/reference/command-tips/
 */

const REQUESTS = ["multi_shard", "all_shards", "all_nodes", "special"] as const;
const RESPONSES = [
  ...["all_succeeded", "one_succeeded", "agg_sum", "agg_min", "agg_max"] as const,
  ...["agg_logical_and", "agg_logical_or", "special", "joined"] as const,
] as const;

/** Where a command runs: the keys' nodes, every primary, every node, or by its own rule. */
type RequestPolicy = typeof REQUESTS[number];

/** How the replies become one; `joined`, where the server names no policy: lists are joined. */
export type ResponsePolicy = typeof RESPONSES[number];

/** How a cluster runs a command. */
export interface CommandSpread {
  readonly request: RequestPolicy;
  readonly response: ResponsePolicy;
}

type Policies = `${RequestPolicy} ${ResponsePolicy}`;

/** For servers that give no tips, as before Redis 7.0. Those of Redis 8 and Valkey 9.1; the
 * ACL commands have none there, and mean every node all the same. */
const TABLE: Partial<Record<Policies, string>> = {
  "multi_shard joined": "mget",
  "multi_shard all_succeeded": "mset",
  "multi_shard agg_sum": "del unlink exists touch",
  "all_shards joined": "keys",
  "all_shards agg_sum": "dbsize",
  "all_shards agg_logical_and": "script|exists",
  "all_shards all_succeeded": "flushdb flushall function|load function|delete " +
    "function|flush function|restore memory|purge",
  "all_shards one_succeeded": "script|kill function|kill",
  "all_shards special": "randomkey function|stats memory|doctor memory|malloc-stats " +
    "memory|stats",
  "all_nodes joined": "slowlog|get",
  "all_nodes agg_sum": "slowlog|len latency|reset",
  "all_nodes all_succeeded": "script|load script|flush config|set config|rewrite " +
    "config|resetstat slowlog|reset acl|setuser acl|deluser acl|load acl|save",
  "all_nodes special": "latency|doctor latency|graph latency|histogram latency|history " +
    "latency|latest",
  "special special": "scan",
};

const SPREADS: ReadonlyMap<string, CommandSpread> = new Map(
  Object.entries(TABLE).flatMap(([policies, names]) => {
    const [request, response] = policies.split(" ");
    const spread = Object.freeze({ request, response }) as CommandSpread;
    return names.split(" ").map((name) => [name, spread] as const);
  }),
);

/** How a cluster runs a command by the table; `undefined` if one node does.
 *
 * @param name Its name in lower case, with the subcommand behind a bar.
 */
export function spreadOf(name: string): CommandSpread | undefined {
  return SPREADS.get(name);
}

/** Whether a command runs on every primary, or every node. */
export function isFanOut(
  spread: CommandSpread | undefined,
): spread is CommandSpread {
  return spread?.request === "all_shards" || spread?.request === "all_nodes";
}

/**
 * Reads the tips in an entry of `COMMAND INFO`; `undefined` if it names no request policy
 * that is known.
 *
 * @param table What the table has: Redis 7.0 names no response policy for RANDOMKEY.
 */
export function readTips(
  tips: readonly unknown[],
  table?: CommandSpread,
): CommandSpread | undefined {
  const valueOf = (name: string) =>
    tips.map(String).find((tip) => tip.startsWith(`${name}:`))?.slice(name.length + 1);
  const request = REQUESTS.find((each) => each === valueOf("request_policy"));
  if (request === undefined) return undefined;
  const response = valueOf("response_policy") ?? table?.response ?? "joined";
  // Replies of a policy that is not known cannot be merged.
  return { request, response: RESPONSES.find((each) => each === response) ?? "special" };
}

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
