import type {
  AcquireTimeoutError,
  AuthError,
  CircuitOpenError,
  CommandAbortedError,
  CommandRefusedError,
  CommandTimeoutError,
  ConfigError,
  ConnectError,
  ConnectionLostError,
  DecodeError,
  DurabilityError,
  InitializationError,
  LeaseReleasedError,
  LockError,
  ManagerClosedError,
  NotReadyError,
  OverloadedError,
  PartialError,
  PipelineError,
  ProtocolError,
  TransactionConflictError,
  TransactionError,
  UnknownDatabaseError,
} from "../core/errors/mod.ts";
import { RedisManagerError } from "../core/errors/mod.ts";
import { classifyReplyError } from "../resilience/reply_errors.ts";
import { LibraryReplyError } from "./ioredis.ts";

/**
 * An error reply of the server, such as `WRONGTYPE Operation against a key …`: ioredis'
 * class, with what is known of it beside the text. It holds no argument of the command.
 */
export interface ReplyError extends Error {
  /** Always `ReplyError`. */
  name: "ReplyError";
  /** Stable code, the same for every error reply: look at `replyCode` for which it is. */
  readonly code: "REPLY";
  /** The server's own code, the first word of its reply: `WRONGTYPE`, `NOPERM`, `OOM`; `ERR`
   * where it begins with none. */
  readonly replyCode: string;
  /** Name of the database. */
  readonly database: string;
  /** The server has refused the command, and applied nothing of it. */
  readonly delivery: "rejected";
  /** Whether the same call may succeed when made again later. */
  readonly retryable: boolean;
}

/** The class of error replies: for `instanceof`. */
export interface ReplyErrorClass {
  /** Makes an error with the server's text. */
  new (message: string): ReplyError;
  /** What its instances have in common. */
  readonly prototype: ReplyError;
}

/**
 * The class of error replies: ioredis' own, for `error instanceof ReplyError`.
 *
 * @example Usage
 * ```ts
 * import { RedisConnectionManager, ReplyError } from "@mooring/redis";
 * import { assertEquals, assertInstanceOf } from "@std/assert";
 *
 * await using manager = new RedisConnectionManager({
 *   url: Deno.env.get("REDIS_URL") ?? "redis://localhost:6379",
 *   databases: { main: { db: 0 } },
 * });
 * const client = manager.getClient("main");
 * await client.set("mooring:text", "no number", "EX", 1);
 * const error = await client.lpush("mooring:text", "a").catch((error) => error);
 * assertInstanceOf(error, ReplyError);
 * assertEquals([error.replyCode, error.database], ["WRONGTYPE", "main"]);
 * ```
 */
export const ReplyError: ReplyErrorClass =
  LibraryReplyError as unknown as ReplyErrorClass;

/**
 * Every error that commands and the manager fail with: `switch (error.code)` tells the
 * compiler which it is. What else a call may throw is the caller's own: the reason of its
 * signal, what its callback threw, a `TypeError` or `RangeError` for its arguments.
 *
 * @example Usage
 * ```ts
 * import { isMooringError, RedisConnectionManager } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * await using manager = new RedisConnectionManager({
 *   host: "127.0.0.1",
 *   port: 1,
 *   connectRetry: { attempts: 1 },
 *   databases: { main: { db: 0 } },
 * });
 * try {
 *   await manager.getClient("main").get("k");
 * } catch (error) {
 *   if (!isMooringError(error)) throw error;
 *   switch (error.code) {
 *     case "CONNECT":
 *       assertEquals(error.endpoint, "127.0.0.1:1");
 *       break;
 *     case "REPLY":
 *       console.error(error.replyCode);
 *   }
 * }
 * ```
 */
export type MooringError =
  | AcquireTimeoutError
  | AuthError
  | CircuitOpenError
  | CommandAbortedError
  | CommandRefusedError
  | CommandTimeoutError
  | ConfigError
  | (ConnectError & { readonly code: "CONNECT" })
  | ConnectionLostError
  | DecodeError
  | DurabilityError
  | InitializationError
  | LeaseReleasedError
  | LockError
  | ManagerClosedError
  | NotReadyError
  | OverloadedError
  | PartialError
  | PipelineError
  | ProtocolError
  | ReplyError
  | TransactionConflictError
  | TransactionError
  | UnknownDatabaseError;

/**
 * Whether an error is one of this package's, or an error reply of the server.
 *
 * @param error What was caught.
 * @returns `true` if `switch (error.code)` tells which it is.
 *
 * @example Usage
 * ```ts
 * import { isMooringError, ManagerClosedError } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(isMooringError(new ManagerClosedError()), true);
 * assertEquals(isMooringError(new TypeError("a caller's own")), false);
 * ```
 */
export function isMooringError(error: unknown): error is MooringError {
  return error instanceof RedisManagerError ||
    (error instanceof LibraryReplyError && (error as { code?: string }).code === "REPLY");
}

/** What an error reply begins with, where it has a code. */
const CODE = /^([A-Z][A-Z0-9_]*)(?:\s|$)/;

/**
 * Notes on an error reply what is known beside its text.
 *
 * @param error The error reply.
 * @param database Name of the database.
 * @returns The same error.
 */
export function describeReplyError(error: Error, database: string): ReplyError {
  const { message } = error;
  const known: Omit<ReplyError, keyof Error> = {
    code: "REPLY",
    replyCode: CODE.exec(message)?.[1] ?? "ERR",
    database,
    delivery: "rejected",
    retryable: classifyReplyError(message).rule.action === "wait",
  };
  return Object.assign(error as ReplyError, known);
}
