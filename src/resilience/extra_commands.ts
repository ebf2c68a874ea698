/**
 * Commands that the client library's own metadata does not have: those of the modules
 * (JSON, Bloom and cuckoo filters, sketches, time series, search, graph) and of Valkey;
 * and those whose keys it misses where an option is given as bytes. All names are lower
 * case.
 */

/** Where the keys of one call stand among its arguments. */
export interface KeyPlaces {
  /** Indexes of its keys: they get the key prefix, and say which cluster slot it is in. */
  readonly keys: readonly number[];
  /** Indexes of what gets the key prefix and is in no slot, such as patterns of keys. */
  readonly patterns?: readonly number[];
  /** Index of what says the slot and is no key: it gets no prefix. */
  readonly route?: number;
  /** Why the call would reach keys outside of a key prefix, and what to do. */
  readonly outside?: string;
}

/** What is known of one command. */
export interface ExtraCommand {
  /** Whether it changes nothing. */
  readonly isRead: boolean;
  /**
   * Finds its keys.
   *
   * @param args The arguments, flat.
   * @returns Where they are; `undefined` if only the server knows.
   */
  readonly places: (args: readonly unknown[]) => KeyPlaces | undefined;
}

type Places = ExtraCommand["places"];

const NONE: KeyPlaces = Object.freeze({ keys: Object.freeze([]) });
const FIRST: KeyPlaces = Object.freeze({ keys: Object.freeze([0]) });

const none: Places = () => NONE;
const first: Places = () => FIRST;
const second: Places = () => ({ keys: [1] });
const firstTwo: Places = () => ({ keys: [0, 1] });
/** Every `step`-th argument, up to `end` before the last. */
const every = (step: number, end = 0): Places => ({ length }) => ({
  keys: range(0, length - end, step),
});
/** A destination, the number of sources, the sources. */
const merge: Places = (args) => {
  const count = Number(textOf(args[1]));
  return { keys: [0, ...range(2, Math.min(args.length, 2 + (count || 0)))] };
};

/** JSON.DEBUG looks at a key with some of its subcommands. */
const jsonDebug: Places = ([subcommand]) => {
  const name = textOf(subcommand).toLowerCase();
  if (name === "help") return NONE;
  return ["memory", "depth", "fields"].includes(name) ? { keys: [1] } : undefined;
};

/** How many words each option of FT.CREATE has, where they are more than one. */
const INDEX_OPTIONS: ReadonlyMap<string, number> = new Map(
  ["on", "filter", "language", "language_field", "score", "score_field", "payload_field"]
    .concat("temporary").map((name) => [name, 2]),
);

const NO_PREFIX = "without PREFIX the index would hold keys outside of the database's " +
  "key_prefix: name the keys' beginnings with PREFIX, which get the key prefix";

/** FT.CREATE names the beginnings of the keys that it indexes. */
const createIndex: Places = (args) => {
  for (let i = 1; i < args.length;) {
    const option = textOf(args[i]).toLowerCase();
    const count = Number(textOf(args[i + 1])) || 0;
    if (option === "prefix") {
      return { keys: [], patterns: range(i + 2, Math.min(args.length, i + 2 + count)) };
    }
    if (option === "schema") break;
    i += option === "stopwords" ? 2 + count : INDEX_OPTIONS.get(option) ?? 1;
  }
  return { keys: [], outside: NO_PREFIX };
};

/** SORT reads keys by patterns, and stores into another key. */
const sort: Places = (args) => {
  const keys = [0];
  const patterns: number[] = [];
  for (let i = 1; i < args.length; i++) {
    const option = textOf(args[i]).toLowerCase();
    if (option === "limit") i += 2;
    else if (option === "store") keys.push(++i);
    else if (option === "by" || option === "get") {
      i++;
      if (textOf(args[i]) !== "#") patterns.push(i);
    }
  }
  return { keys, patterns };
};

/** MIGRATE has one key, or an empty text there and keys at its end. */
const migrate: Places = (args) => {
  if (textOf(args[2]) !== "") return { keys: [2] };
  for (let i = 5; i < args.length; i++) {
    const option = textOf(args[i]).toLowerCase();
    if (option === "keys") return { keys: range(i + 1, args.length) };
    if (option === "auth") i++;
    else if (option === "auth2") i += 2;
  }
  return NONE;
};

/** The cursor of CLUSTERSCAN says where it goes on; it is no key. */
const byCursor: Places = () => ({ keys: [], route: 0 });

/** Commands that read and commands that write, whose keys stand at the same places. */
type Group = readonly [places: Places, reads: string, writes: string];

const GROUPS: Readonly<Record<string, readonly Group[]>> = {
  "json.": [
    [
      first,
      "get type strlen objkeys objlen arrindex arrlen resp",
      "set del forget clear toggle merge strappend numincrby nummultby numpowby " +
      "arrappend arrinsert arrpop arrtrim",
    ],
    [every(1, 1), "mget", ""],
    [every(3), "", "mset"],
    [jsonDebug, "debug", ""],
  ],
  "bf.": [[
    first,
    "exists mexists scandump info card",
    "reserve add madd insert loadchunk load",
  ]],
  "cf.": [[
    first,
    "exists mexists count scandump info",
    "reserve add addnx insert insertnx del loadchunk compact",
  ]],
  "cms.": [
    [first, "query info", "initbydim initbyprob incrby"],
    [merge, "", "merge"],
  ],
  "topk.": [[first, "query count list info", "reserve add incrby"]],
  "tdigest.": [
    [
      first,
      "min max quantile cdf trimmed_mean rank revrank byrank byrevrank info",
      "create reset add",
    ],
    [merge, "", "merge"],
  ],
  "ts.": [
    [first, "get range revrange info", "create alter add incrby decrby del"],
    [every(3), "", "madd"],
    [firstTwo, "", "createrule deleterule"],
    // By labels: they reach every series of the database.
    [none, "mget mrange mrevrange queryindex", ""],
  ],
  "ft.": [
    // An index has a name of its own, which is no key.
    [
      none,
      "search aggregate hybrid info _list explain explaincli profile tagvals " +
      "spellcheck syndump dictdump",
      "alter dropindex drop aliasadd aliasupdate aliasdel dictadd dictdel synupdate " +
      "synadd cursor config",
    ],
    [createIndex, "", "create"],
    [first, "sugget suglen", "sugadd sugdel"],
    [second, "get", "add safeadd addhash del"],
    [({ length }) => ({ keys: range(1, length) }), "mget", ""],
  ],
  "graph.": [
    [first, "ro_query explain slowlog", "query delete profile constraint"],
    [none, "list", "config"],
  ],
  "": [
    [first, "", "delifeq"],
    [byCursor, "clusterscan", ""],
    [none, "", "commandlog"],
    [sort, "sort_ro", "sort"],
    [migrate, "", "migrate"],
  ],
};

/** The commands, by name. */
export const EXTRA_COMMANDS: ReadonlyMap<string, ExtraCommand> = new Map(
  Object.entries(GROUPS).flatMap(([prefix, groups]) =>
    groups.flatMap(([places, reads, writes]) => {
      const known = (isRead: boolean) => (name: string): [string, ExtraCommand] => [
        prefix + name,
        { isRead, places },
      ];
      return [...words(reads).map(known(true)), ...words(writes).map(known(false))];
    })
  ),
);

function words(text: string): string[] {
  return text.split(" ").filter((word) => word !== "");
}

function range(start: number, end: number, step = 1): number[] {
  const indexes: number[] = [];
  for (let i = start; i < end; i += step) indexes.push(i);
  return indexes;
}

const decoder = new TextDecoder();

/** An argument as text. */
export function textOf(value: unknown): string {
  return value instanceof Uint8Array ? decoder.decode(value) : String(value ?? "");
}
