/** Which rule some bytes broke. */
export type ReplyRule =
  /** A type byte that the parser does not know, or not there. */
  | "type"
  /** A length, count, number or other line that is not what its type promises. */
  | "line"
  /** A line or bulk string that does not end in CR LF. */
  | "line-end"
  /** A push frame, or RESP2 message, that the client library would stumble over. */
  | "push"
  /** A map whose key is an aggregate. */
  | "map-key"
  /** Nested deeper than `maxDepth`. */
  | "depth"
  /** More elements than `maxAggregateElements` or `maxReplyElements`. */
  | "elements"
  /** A bulk string over `maxBulkBytes`. */
  | "bulk"
  /** A line, error or map key over `maxLineBytes`. */
  | "line-length"
  /** A reply over `maxReplyBytes`. */
  | "reply-bytes";

/** Why some bytes are refused. */
export interface ReplyRefusal {
  /** The rule that they broke. */
  readonly rule: ReplyRule;
  /** What was found and what is allowed, in words; never the bytes of a value. */
  readonly reason: string;
}

/** What was wrong with the bytes that a server sent, and where. */
export interface ReplyViolation extends ReplyRefusal {
  /** How many bytes of the connection came before the one that broke the rule. */
  readonly offset: number;
}
