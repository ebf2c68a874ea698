import type { Attributes, Span, SpanStatusCode } from "@opentelemetry/api";
import { CommandRefusedError } from "../../core/errors/mod.ts";
import { maskSecrets } from "../../core/secret.ts";
import { ATTRIBUTE } from "./operations.ts";

/** How an operation failed, as the conventions name it. */
export interface Failure {
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
/** What the conventions call an error that has no name. */
const OTHER = "_OTHER";
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
