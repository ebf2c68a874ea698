import type {
  Attributes,
  Span,
  SpanKind,
  SpanOptions,
  SpanStatusCode,
} from "@opentelemetry/api";
import { parseAddress } from "../../core/address.ts";
import { CommandRefusedError } from "../../core/errors/mod.ts";
import { maskSecrets } from "../../core/secret.ts";

/** Names of attributes in OpenTelemetry's semantic conventions for databases, 1.44: those of
 * operations are stable, those of pools and of Redis still in development. */
export const ATTRIBUTE = {
  system: "db.system.name",
  namespace: "db.namespace",
  operation: "db.operation.name",
  batchSize: "db.operation.batch.size",
  queryText: "db.query.text",
  statusCode: "db.response.status_code",
  serverAddress: "server.address",
  serverPort: "server.port",
  errorType: "error.type",
  poolName: "db.client.connection.pool.name",
  /** How often a command was sent again; there is no convention for it. */
  retries: "mooring.retries",
  /** What a connection was opened for, `lane` or `lease`; a concept of this package. */
  purpose: "mooring.connection.purpose",
} as const;

/** The database system. */
export const SYSTEM = "redis";

/**
 * The attributes that say where a server is.
 *
 * @param endpoint The address as text: `host:6379`, `[::1]:6379` or `unix:/path`.
 * @returns Address, and port unless it is a Unix socket.
 */
export function serverAttributes(endpoint: string): Attributes {
  const address = parseAddress(endpoint);
  if (address.path !== undefined) return { [ATTRIBUTE.serverAddress]: address.path };
  return {
    [ATTRIBUTE.serverAddress]: address.host,
    [ATTRIBUTE.serverPort]: address.port,
  };
}

/** A command that is reported. */
export interface ObservedCommand {
  /** Its name, in any case. */
  readonly name: string;
  /** Its arguments. */
  readonly args: readonly unknown[];
  /** Settles it; may be replaced before it is delivered. */
  resolve(reply: unknown): void;
  /** Settles it; may be replaced before it is delivered. */
  reject(error: Error): void;
  /** Gives the caller the reply; only commands of our own have it. */
  succeed?(reply: unknown): void;
  /** Gives the caller the error; only commands of our own have it. */
  fail?(error: Error): void;
  /** Settles its promise, and nothing else. */
  adopt?(outcome: Promise<never>): void;
  /** Those of its arguments that are keys. */
  getKeys(): readonly unknown[];
  /** What its delivery keeps of it. */
  readonly tracking?: {
    /** How often it was sent. */
    readonly attempts: number;
    /** The connection that it was on last. */
    readonly connection: { readonly endpoint: string } | undefined;
  };
}

/** How commands were sent together. */
export type BatchKind = "PIPELINE" | "MULTI";

/** Ends the report of an operation; `error` is the first error of its commands, if one failed. */
export type EndBatch = (error?: unknown) => void;

/** Observes what callers send. Where there is none, nothing is reported. */
export interface OperationObserver {
  /** A command is about to be delivered; it is followed until it is settled. */
  command(command: ObservedCommand): void;
  /** Commands are about to be delivered together; followed until all are settled. */
  commands(commands: readonly ObservedCommand[]): void;
  /** A batch begins; its sender calls the result when it is over. */
  batch(commands: readonly ObservedCommand[], kind: BatchKind): EndBatch;
}

/** Kind of every span here; the same in every version of the API. */
export const CLIENT: SpanKind = 2;

/** Most operation names that are kept apart. Names that are made up at run time must not fill
 * the memory, here and in the metrics. */
const MOST_NAMES = 500;
/** What the conventions call what has no name of its own. */
const OTHER = "_OTHER";

/** What is the same each time that an operation is reported: made once, never changed. */
export interface Operation {
  /** Its name, such as `GET` or `PIPELINE SET`. */
  readonly name: string;
  /** Kind and attributes of its spans; its durations have the same attributes. */
  readonly span: SpanOptions & { readonly attributes: Attributes };
}

/** The operations of one database. */
export class Operations {
  readonly #base: Attributes;
  readonly #byName = new Map<string, Operation>();

  /**
   * Begins empty.
   *
   * @param base Attributes that all of them have.
   */
  constructor(base: Attributes) {
    this.#base = base;
  }

  /**
   * An operation by its name.
   *
   * @param name Name of a command, in any case, or of a batch.
   * @returns The operation; the same object each time.
   */
  named(name: string): Operation {
    return this.#byName.get(name) ?? this.#add(name);
  }

  /**
   * The operation that a batch is: that of its command, if it has but one; else it is
   * named after what its commands have in common.
   *
   * @param names Names of its commands.
   * @param kind How they are sent.
   * @returns The operation.
   */
  ofBatch(names: readonly string[], kind: BatchKind): Operation {
    const [first] = names;
    if (names.length === 1) return this.named(first!);
    const isUniform = first !== undefined && names.every((name) => name === first);
    return this.named(isUniform ? `${kind} ${first}` : kind);
  }

  #add(text: string): Operation {
    const isFull = this.#byName.size >= MOST_NAMES;
    const name = isFull ? OTHER : text.toUpperCase();
    const known = isFull ? this.#byName.get(OTHER) : undefined;
    if (known !== undefined) return known;
    const attributes = Object.freeze({ ...this.#base, [ATTRIBUTE.operation]: name });
    const operation: Operation = { name, span: { kind: CLIENT, attributes } };
    this.#byName.set(isFull ? OTHER : text, operation);
    return operation;
  }
}

/** What spans show of arguments: `TelemetryOptions.queryText`. */
export type QueryText = "off" | "masked" | "keys" | "full";

/** Most characters of a text. */
const MAX_TEXT = 1024;
/** Most characters of one argument. */
const MAX_ARGUMENT = 128;
/** What stands for an argument that is not shown. */
const MASK = "?";
/** Commands whose arguments may hold passwords. */
const SECRETIVE: ReadonlySet<string> = new Set([
  "ACL",
  "AUTH",
  "CONFIG",
  "HELLO",
  "MIGRATE",
]);

function writeArgument(arg: unknown): string {
  if (arg instanceof Uint8Array) return `<${arg.byteLength} bytes>`;
  const text = String(arg);
  if (text.length > MAX_ARGUMENT) {
    return JSON.stringify(`${text.slice(0, MAX_ARGUMENT)}…`);
  }
  return /^[^\s"'\\\p{Cc}]+$/u.test(text) ? text : JSON.stringify(text);
}

/** Which arguments are shown. */
function visibility(
  command: ObservedCommand,
  how: QueryText,
): (arg: unknown) => boolean {
  if (how === "masked" || SECRETIVE.has(command.name.toUpperCase())) return () => false;
  if (how === "full") return () => true;
  // An argument with the same text as a key is shown with the key anyway.
  const keys = new Set(command.getKeys());
  return (arg) => keys.has(arg);
}

/**
 * A command as one would type it.
 *
 * @param command The command.
 * @param how What is shown of its arguments.
 * @returns Text such as `SET user:1 ?`.
 */
export function writeQueryText(command: ObservedCommand, how: QueryText): string {
  const isShown = visibility(command, how);
  let text = command.name.toUpperCase();
  for (const arg of command.args) {
    text += ` ${isShown(arg) ? writeArgument(arg) : MASK}`;
    if (text.length > MAX_TEXT) return `${text.slice(0, MAX_TEXT)}…`;
  }
  return text;
}

/**
 * The commands of a batch, one after the other.
 *
 * @param commands The commands.
 * @param how What is shown of their arguments.
 * @returns Their texts, separated as the conventions say.
 */
export function writeBatchText(
  commands: readonly ObservedCommand[],
  how: QueryText,
): string {
  let text = "";
  for (const command of commands) {
    text += `${text === "" ? "" : "; "}${writeQueryText(command, how)}`;
    if (text.length > MAX_TEXT) return `${text.slice(0, MAX_TEXT)}…`;
  }
  return text;
}

/** How an operation failed, as the conventions name it. */
interface Failure {
  /** For the attribute `error.type`: the server's prefix, such as `WRONGTYPE`, where it
   * answered; else the name of the error's class. */
  readonly type: string;
  /** The server's prefix, where it answered. */
  readonly statusCode?: string;
  /** The error's message, without what may be a key or a value; empty if nothing is left. */
  readonly description: string;
}

/** Status of a span whose operation failed; the same in every version of the API. */
const ERROR: SpanStatusCode = 2;
/** Prefix of an error reply. */
const PREFIX = /^([A-Z][A-Z0-9_]*)(?:\s|$)/;
/** Commands whose errors are written by the caller's own script. */
const SCRIPTS = /^(?:EVAL|FCALL)/;

/** The first error of a batch. */
function rootOf(error: unknown): unknown {
  const { results } = error as { results?: readonly { ok: boolean; error?: unknown }[] };
  if (!Array.isArray(results)) return error;
  return results.find(({ ok }) => !ok)?.error ?? error;
}

/** The server quotes what it was sent, and refusals of ours quote keys. */
function withoutLiterals(message: string): string {
  return message
    .replace(/,? with args beginning with:.*$/s, "")
    .replace(/`[^`]*`|'[^']*'|"(?:[^"\\]|\\.)*"|"[^"]*"/g, "?");
}

/**
 * Says how an operation failed.
 *
 * @param thrown What its caller got.
 * @param operation Name of the operation.
 * @returns The failure; it holds no argument of a command.
 */
export function describeFailure(thrown: unknown, operation: string): Failure {
  const error = rootOf(thrown);
  if (!(error instanceof Error)) return { type: OTHER, description: "" };
  if (error.name !== "ReplyError") {
    const message = maskSecrets(error.message);
    const isQuoting = error instanceof CommandRefusedError;
    const description = isQuoting ? withoutLiterals(message) : message;
    return { type: error.name || OTHER, description };
  }
  const statusCode = PREFIX.exec(error.message)?.[1] ?? "ERR";
  const description = SCRIPTS.test(operation) ? "" : withoutLiterals(error.message);
  return { type: statusCode, statusCode, description };
}

/**
 * The attributes of a failure, the same for spans and metrics.
 *
 * @param failure The failure.
 * @returns The attributes.
 */
export function failureAttributes({ type, statusCode }: Failure): Attributes {
  return {
    [ATTRIBUTE.errorType]: type,
    ...(statusCode === undefined ? {} : { [ATTRIBUTE.statusCode]: statusCode }),
  };
}

/**
 * Marks a span as failed. The exception goes without its stack, which begins with the
 * message as it was.
 *
 * @param span The span.
 * @param failure The failure.
 */
export function markFailed(span: Span, failure: Failure): void {
  const { type: name, description: message } = failure;
  span.setAttributes(failureAttributes(failure));
  span.setStatus({ code: ERROR, message });
  span.recordException({ name, message });
}
