import type { FailureKind } from "./failure_kinds.ts";

/** What may be done about an error reply. */
export type ReplyErrorAction =
  /** Pass it through: the same command would get the same answer. */
  | "fail"
  /** Not now: the same command may succeed a little later. */
  | "wait"
  /** Not here: a cluster says where. */
  | "redirect";

/** What one code of an error reply means, and what follows from it. */
export interface ReplyErrorRule {
  /** First word of the reply, or our own name where the server says `ERR`. */
  readonly code: string;
  /** What the server says by it. */
  readonly meaning: string;
  /** Whether it is known that the server applied nothing of the command. */
  readonly unapplied: boolean;
  /**
   * Whether that is known even if a script's command was answered so: whether no write
   * that the script made before can have been applied.
   */
  readonly unappliedInScript: boolean;
  /** What may be done about it. */
  readonly action: ReplyErrorAction;
  /** Whether the database's connections may lead to the wrong server by now. */
  readonly reresolve: boolean;
  /** Least milliseconds to wait before another try; 0 where none is made. */
  readonly waitMs: number;
  /** What it is to the breaker. */
  readonly kind: FailureKind;
}

/** One error reply, understood. */
export interface ReplyErrorClass {
  /** Code that decides, such as `READONLY`; `ERR` or the first word where none does. */
  readonly code: string;
  /** What follows from it. */
  readonly rule: ReplyErrorRule;
  /** Whether it is known that the server applied nothing. */
  readonly unapplied: boolean;
}

type Rule = Partial<ReplyErrorRule> & Pick<ReplyErrorRule, "code" | "meaning">;

function rule(given: Rule): ReplyErrorRule {
  return Object.freeze({
    unapplied: true,
    unappliedInScript: false,
    action: "fail",
    reresolve: false,
    waitMs: 0,
    kind: "reply-error",
    ...given,
  });
}

/**
 * Error replies by code. A code that is not listed is {@linkcode UNKNOWN_REPLY_ERROR}.
 *
 * On `unappliedInScript`: Redis judges each write of a script before it runs it
 * (`scriptCall` in its `script.c`).
 *
 * - `READONLY`: every write of a script on a read-only replica is refused, so that the
 *   first one already was. The server's role cannot change while a script runs, as
 *   `REPLICAOF` is answered `BUSY`. Not ruled out is a cluster node that its peers demote
 *   under a script which has run longer than `busy-reply-threshold` (5 s); such a node
 *   throws its own writes away when it copies the new primary. What a script *published*
 *   before is out, and is out twice after a retry.
 * - `REDIRECT` is answered before the script starts, as `LOADING` is.
 * - `OOM` is only given to the first write of a script: once something was written, the
 *   server lets it finish.
 * - `LOADING`, `MASTERDOWN` and `BUSY` are answered before the script starts.
 * - `MISCONF` and `NOREPLICAS` are judged anew at each write, and can come after one.
 *
 * An error text that a script makes up itself is believed.
 */
export const REPLY_ERRORS: ReadonlyMap<string, ReplyErrorRule> = new Map([
  rule({
    code: "LOADING",
    meaning: "the server is reading its data set from disk",
    unappliedInScript: true,
    action: "wait",
    waitMs: 100,
    kind: "loading",
  }),
  rule({
    code: "MASTERDOWN",
    meaning: "a replica has lost its primary and may not serve stale data",
    unappliedInScript: true,
    action: "wait",
    reresolve: true,
    waitMs: 200,
    kind: "loading",
  }),
  rule({
    code: "READONLY",
    meaning: "the server is a replica now: the primary is elsewhere",
    unappliedInScript: true,
    action: "wait",
    reresolve: true,
    waitMs: 50,
  }),
  rule({
    code: "REDIRECT",
    meaning: "the server is a replica now, and names the primary (Valkey 8 and later)",
    unappliedInScript: true,
    action: "wait",
    reresolve: true,
    waitMs: 50,
  }),
  rule({
    code: "BLOCKED_DEMOTED",
    meaning:
      "the server became a replica while the command was blocked, and closes the connection",
    action: "wait",
    reresolve: true,
    waitMs: 50,
  }),
  rule({
    code: "TRYAGAIN",
    meaning: "the command's keys are on two cluster nodes while their slot moves",
    action: "wait",
    waitMs: 50,
  }),
  rule({
    code: "CLUSTERDOWN",
    meaning: "the cluster is down, or nobody serves the slot",
    action: "wait",
    reresolve: true,
    waitMs: 200,
  }),
  rule({
    code: "BUSY",
    meaning: "a script or module command has been running for too long",
    unappliedInScript: true,
    action: "wait",
    waitMs: 100,
  }),
  rule({
    code: "MAXCLIENTS",
    meaning: "the server has as many clients as maxclients allows",
    kind: "refused",
  }),
  rule({
    code: "MOVED",
    meaning: "the slot is served by another cluster node",
    action: "redirect",
  }),
  rule({
    code: "ASK",
    meaning: "the slot is moving, and the key is on the other node already",
    action: "redirect",
  }),
  rule({
    code: "NOSCRIPT",
    meaning: "the server does not have the script: it must be sent with EVAL",
  }),
  rule({
    code: "OOM",
    meaning: "maxmemory is reached and nothing can be evicted",
    unappliedInScript: true,
  }),
  rule({
    code: "MISCONF",
    meaning: "the server cannot persist and therefore refuses writes",
  }),
  rule({
    code: "NOREPLICAS",
    meaning: "fewer replicas than min-replicas-to-write are in touch",
  }),
  rule({
    code: "CROSSSLOT",
    meaning:
      "the keys belong to different cluster slots: a common {tag} puts them in one",
  }),
  rule({ code: "WRONGTYPE", meaning: "the key holds another kind of value" }),
  rule({
    code: "NOAUTH",
    meaning: "the connection has not authenticated",
    kind: "auth",
  }),
  rule({ code: "WRONGPASS", meaning: "user or password is wrong", kind: "auth" }),
  rule({ code: "NOPERM", meaning: "the user may not do this", kind: "permission" }),
  rule({ code: "NOPROTO", meaning: "the server does not speak that protocol version" }),
  rule({
    code: "EXECABORT",
    meaning: "a command of the transaction was refused when it was queued",
  }),
  rule({ code: "UNBLOCKED", meaning: "CLIENT UNBLOCK ended the blocking command" }),
].map((each) => [each.code, each]));

/**
 * What holds for codes that are not listed: the server answered, nothing is known of
 * what it applied, and nothing is tried again.
 */
export const UNKNOWN_REPLY_ERROR: ReplyErrorRule = rule({
  code: "ERR",
  meaning: "an error that says nothing of the server's state",
  unapplied: false,
});

/** How servers mark the error of a script: Redis 7.0 and later, with its name, Valkey 9
 * without; then up to Redis 6.2. */
const SCRIPT_MARK =
  /(?:, | script: )on @user_(?:script|function):\d+\.$|^ERR Error running script \(/;

/**
 * Sentences of the server inside other texts: where a script raises the text of an error
 * (`error(e.err)`), and up to 6.2 in every script error. One word is not enough: a
 * script may say READONLY of something else.
 */
const INNER = new RegExp(
  "\\b(?:" + [
    "(READONLY) You can't write against a read only ",
    "(LOADING) \\w+ is loading the dataset",
    "(MASTERDOWN) Link with MASTER is down",
    "(OOM) command not allowed when used memory",
    "(MISCONF) (?:\\w+ is configured to|Errors writing to the AOF)",
    "(NOREPLICAS) Not enough good ",
  ].join("|") + ")",
);

/** Why a transaction was discarded when it was to run, in Redis 7.0 and later. */
const EXECABORT_CAUSE = /^EXECABORT Transaction discarded because of: ([A-Z]+) /;

/** How much of a text is looked at; a script's own error may have megabytes. */
const MAX_TEXT = 2048;

/**
 * Finds out what an error reply means. Called for errors only.
 *
 * @param message The server's text, without the leading `-`.
 * @param isScript Whether the command was an EVAL, FCALL or such, whose errors may come
 * after writes. Texts that say so themselves are noticed without it.
 * @returns What follows from it.
 *
 * @example Usage
 * ```ts
 * import { classifyReplyError } from "./reply_errors.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const error = classifyReplyError("READONLY You can't write against a read only replica.");
 * assertEquals(error.rule.action, "wait");
 * assertEquals(error.unapplied, true);
 * ```
 */
export function classifyReplyError(message: string, isScript = false): ReplyErrorClass {
  const text = message.length <= MAX_TEXT
    ? message
    : message.slice(0, MAX_TEXT / 2) + message.slice(-MAX_TEXT / 2);
  const cause = EXECABORT_CAUSE.exec(text)?.[1];
  // It has run nothing, for whatever reason it was discarded.
  if (cause !== undefined) return { ...found(cause, false), unapplied: true };
  const first = codeOf(text);
  const isMarked = SCRIPT_MARK.test(text);
  if (first === "ERR" && (isMarked || isScript)) {
    const inner = INNER.exec(text)?.slice(1).find((code) => code !== undefined);
    if (inner !== undefined) return found(inner, true);
  }
  return found(first, isMarked || isScript);
}

/** The code that a text has of itself: its first word, or our name for it where several share that. */
function codeOf(text: string): string {
  if (text.startsWith("ERR max number of clients")) return "MAXCLIENTS";
  if (text.startsWith("UNBLOCKED force unblock")) return "BLOCKED_DEMOTED";
  const end = text.search(/[^A-Z_]/);
  return end === -1 ? text : text.slice(0, end);
}

function found(code: string, isScript: boolean): ReplyErrorClass {
  const known = REPLY_ERRORS.get(code);
  const rule = known ?? UNKNOWN_REPLY_ERROR;
  const unapplied = isScript ? rule.unappliedInScript : rule.unapplied;
  return { code: known === undefined ? code || "ERR" : code, rule, unapplied };
}
