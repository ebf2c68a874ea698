/**
 * What the client library's own command metadata does not say: which commands change
 * the connection, which read without being flagged so, what subcommands do. All names
 * are lower case; a subcommand stands behind a bar, as in Redis' own `COMMAND`.
 */

const LIBRARY = "manager.createClient() for a library";
const ACQUIRE = `use manager.acquire(), or ${LIBRARY}`;
const TRANSACTION = `use manager.transaction(), or ${LIBRARY}`;
const WATCH = `use manager.transaction() with watch, manager.acquire(), or ${LIBRARY}`;
const SUBSCRIBE = `use manager.subscribe(), or ${LIBRARY}`;
const UNSUBSCRIBE = `use unsubscribe() of what manager.subscribe() gave, or ${LIBRARY}`;
const CREDENTIALS = "set username and password of the database, or use manager.acquire()";
const CLUSTER = "set mode: cluster, which does this by itself, or use manager.acquire()";
const REPLICATION = "speak the replication protocol over a socket of your own";

/** Commands that change what later commands on the connection mean, and what to call
 * in their place. */
export const STATEFUL: ReadonlyMap<string, string> = new Map([
  [
    "select",
    `give the other database a name of its own, use manager.acquire(), or ${LIBRARY}`,
  ],
  ["auth", CREDENTIALS],
  ["hello", CREDENTIALS],
  ["multi", TRANSACTION],
  ["exec", TRANSACTION],
  ["discard", TRANSACTION],
  ["watch", WATCH],
  ["unwatch", WATCH],
  ["monitor", ACQUIRE],
  ["reset", ACQUIRE],
  ["quit", `use manager.closeAll(), or ${LIBRARY}, which may quit it`],
  ["asking", CLUSTER],
  ["readonly", CLUSTER],
  ["readwrite", CLUSTER],
  ["sync", REPLICATION],
  ["psync", REPLICATION],
  ["replconf", REPLICATION],
  ["client|caching", ACQUIRE],
  ["client|no-evict", ACQUIRE],
  ["client|no-touch", ACQUIRE],
  ["client|reply", ACQUIRE],
  ["client|setinfo", ACQUIRE],
  ["client|setname", ACQUIRE],
  ["client|tracking", ACQUIRE],
  ["client|capa", ACQUIRE],
  ["client|import-source", ACQUIRE],
  ["script|debug", ACQUIRE],
  ["himport|prepare", ACQUIRE],
  ["himport|discard", ACQUIRE],
  ["himport|discardall", ACQUIRE],
]);

/** Commands that turn the connection into a subscriber, and what to call in their place. */
export const SUBSCRIBING: ReadonlyMap<string, string> = new Map([
  ["subscribe", SUBSCRIBE],
  ["psubscribe", SUBSCRIBE],
  ["ssubscribe", SUBSCRIBE],
  ["unsubscribe", UNSUBSCRIBE],
  ["punsubscribe", UNSUBSCRIBE],
  ["sunsubscribe", UNSUBSCRIBE],
]);

/** Commands whose class depends on the first argument: their subcommand. */
export const CONTAINERS: ReadonlySet<string> = new Set([
  "acl",
  "backup",
  "client",
  "cluster",
  "command",
  "commandlog",
  "config",
  "function",
  "himport",
  "hotkeys",
  "latency",
  "memory",
  "module",
  "object",
  "pubsub",
  "script",
  "slowlog",
  "xgroup",
  "xinfo",
]);

/** Those of {@linkcode CONTAINERS} that have a key with some subcommands: the subcommands
 * that the client library knows. */
export const KEYED_CONTAINERS: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ["himport", new Set(["discard", "discardall", "help", "prepare", "set"])],
  [
    "memory",
    new Set(["doctor", "help", "malloc-stats", "purge", "stats", "usage"]),
  ],
  ["object", new Set(["encoding", "freq", "help", "idletime", "refcount"])],
  [
    "xgroup",
    new Set(["create", "createconsumer", "delconsumer", "destroy", "help", "setid"]),
  ],
  ["xinfo", new Set(["consumers", "groups", "help", "stream"])],
]);

/** Commands that read, or do nothing at all, and are not flagged `readonly`. */
export const READS: ReadonlySet<string> = new Set([
  ...["ping", "echo", "time", "info", "lastsave", "role", "dbsize", "lolwut"],
  ...["eval_ro", "evalsha_ro", "fcall_ro", "command"],
  ...of("acl", "cat", "dryrun", "genpass", "getuser", "help", "list", "users", "whoami"),
  ...of("backup", "help", "list", "status"),
  ...of("client", "getname", "getredir", "help", "id", "info", "list", "trackinginfo"),
  ...of("cluster", "count-failure-reports", "countkeysinslot", "getkeysinslot", "help"),
  ...of("cluster", "getslotmigrations", "info", "keyslot", "links", "myid", "myshardid"),
  ...of("cluster", "nodes", "replicas", "shards", "slaves", "slot-stats", "slots"),
  ...of("command", "count", "docs", "getkeys", "getkeysandflags", "help", "info", "list"),
  ...of("commandlog", "get", "help", "len"),
  ...of("config", "get", "help"),
  ...of("function", "dump", "help", "list", "stats"),
  ...of("himport", "help"),
  ...of("hotkeys", "get", "help"),
  ...of("latency", "doctor", "graph", "help", "histogram", "history", "latest"),
  ...of("memory", "doctor", "help", "malloc-stats", "stats", "usage"),
  ...of("module", "help", "list"),
  ...of("object", "encoding", "freq", "help", "idletime", "refcount"),
  ...of("pubsub", "channels", "help", "numpat", "numsub", "shardchannels"),
  ...of("pubsub", "shardnumsub"),
  ...of("script", "exists", "help", "show"),
  ...of("slowlog", "get", "help", "len"),
  ...of("xgroup", "help"),
  ...of("xinfo", "consumers", "groups", "help", "stream"),
]);

/** Commands that run a script of the user's, whose errors may come after writes. */
export const SCRIPTS: ReadonlySet<string> = new Set([
  ...["eval", "evalsha", "eval_ro", "evalsha_ro", "fcall", "fcall_ro"],
]);

/**
 * Commands that look up one value: nil is a cache miss, anything else a hit. Those that
 * take a value off a queue, or look up several, are not among them.
 */
export const NIL_MISSES: ReadonlySet<string> = new Set([
  ...["get", "getex", "getdel", "hget", "lindex", "zscore", "zrank", "zrevrank"],
  ...["dump", "srandmember", "hrandfield", "zrandmember", "json.get"],
]);

/** Commands that block, by the index of their timeout among the arguments; negative counts
 * from the end. XREAD and XREADGROUP block only if asked to, and are not among them. */
export const BLOCKING: ReadonlyMap<string, number> = new Map([
  ["blpop", -1],
  ["brpop", -1],
  ["blmove", -1],
  ["brpoplpush", -1],
  ["bzpopmin", -1],
  ["bzpopmax", -1],
  ["blmpop", 0],
  ["bzmpop", 0],
  ["blmovem", 4],
  ["wait", -1],
  ["waitaof", -1],
]);

/** Of {@linkcode BLOCKING}: those that change nothing, and wait for what was written up to
 * the last command of the same connection. Their timeout is in milliseconds, that of the
 * others in seconds. */
export const WAITS: ReadonlySet<string> = new Set(["wait", "waitaof"]);

/** What to say of {@linkcode WAITS} where they may not run. */
export const WAIT_ADVICE =
  "call it on the client when the writes have been sent: it waits for all of them";

/** Commands that block if they have a BLOCK option: options and how many words each has. */
export const BLOCK_OPTIONS: ReadonlyMap<string, number> = new Map([
  ["group", 3],
  ["count", 2],
  ["block", 2],
  ["claim", 2],
  ["noack", 1],
]);

function of(container: string, ...subcommands: string[]): string[] {
  return subcommands.map((each) => `${container}|${each}`);
}
