import type { Attributes, Span, Tracer } from "@opentelemetry/api";
import type { Clock } from "../../core/clock.ts";
import { isWritable } from "../../core/errors/command.ts";
import type { MetricsSource } from "../metrics.ts";
import type { Api, Instruments, WatchedPool } from "./instruments.ts";
import {
  ATTRIBUTE,
  type BatchKind,
  CLIENT,
  describeFailure,
  type EndBatch,
  failureAttributes,
  markFailed,
  type ObservedCommand,
  type Operation,
  type OperationObserver,
  Operations,
  type QueryText,
  serverAttributes,
  SYSTEM,
  writeBatchText,
} from "./operations.ts";

/** A database whose work is reported. */
export interface DatabaseTelemetrySource {
  /** Its name: that of its pool. */
  readonly name: string;
  /** Its number. */
  readonly db: number;
  /** Its address as text; `undefined` if only its connections know. */
  readonly endpoint: string | undefined;
  /** Whether a command waits for a value: how long it does is reported by itself. */
  readonly isBlocking: (command: ObservedCommand) => boolean;
  /** Reads its numbers; called for each export. */
  readonly readMetrics: () => MetricsSource;
  /** Time. */
  readonly clock: Clock;
}

/** What a manager reports through. */
export interface Reporting {
  /** The API. */
  readonly api: Api;
  /** Makes spans; `undefined` if there are none. */
  readonly tracer: Tracer | undefined;
  /** Take numbers; `undefined` if there are none. */
  readonly instruments: Instruments | undefined;
  /** What spans show of arguments. */
  readonly queryText: QueryText;
}

/**
 * Reports what one database does as spans and metrics. A span's parent is what was active
 * when the caller called, however long the operation then waits or is tried again.
 */
export class DatabaseTelemetry implements OperationObserver {
  readonly #parts: DatabaseTelemetrySource & Reporting;
  readonly #tracer: Tracer | undefined;
  readonly #operations: Operations;
  readonly #pool: WatchedPool | undefined;
  readonly #poolSpan: Attributes;

  /**
   * Reports the pool's numbers from now on.
   *
   * @param parts What is reported, and through what.
   */
  constructor(parts: DatabaseTelemetrySource & Reporting) {
    const { db, endpoint, instruments, name, readMetrics, tracer } = parts;
    this.#parts = parts;
    this.#tracer = tracer;
    const base = {
      [ATTRIBUTE.system]: SYSTEM,
      [ATTRIBUTE.namespace]: String(db),
      ...(endpoint === undefined ? {} : serverAttributes(endpoint)),
    };
    this.#operations = new Operations(base);
    this.#pool = instruments?.watch(name, readMetrics);
    this.#poolSpan = {
      ...base,
      ...this.#pool?.attributes ?? { [ATTRIBUTE.poolName]: name },
    };
  }

  /** Reports the pool's numbers no more. */
  close(): void {
    this.#pool?.end();
  }

  command(command: ObservedCommand): void {
    // It is not sent: its caller has the error already.
    if (!isWritable(command)) return;
    const operation = this.#operations.named(command.name);
    whenSettled(
      command,
      this.#begin(operation, [command], this.#parts.isBlocking(command)),
    );
  }

  commands(commands: readonly ObservedCommand[]): void {
    const isTransaction = commands[0]?.name === "multi" &&
      commands.at(-1)?.name === "exec";
    const end = isTransaction
      ? this.batch(commands.slice(1, -1), "MULTI")
      : this.batch(commands, "PIPELINE");
    const writable = commands.filter(isWritable);
    let left = writable.length;
    let failure: unknown;
    const settled = (error?: unknown) => {
      failure ??= error;
      if (--left === 0) end(failure);
    };
    for (const command of writable) whenSettled(command, settled);
  }

  batch(commands: readonly ObservedCommand[], kind: BatchKind): EndBatch {
    const names = commands.map(({ name }) => name);
    // Within a batch nothing blocks.
    return this.#begin(this.#operations.ofBatch(names, kind), commands, false);
  }

  /**
   * Reports how long a caller waits for a lease. What is opened for it is part of it.
   *
   * @param take Takes the lease.
   * @returns The lease.
   */
  acquire<T>(take: () => Promise<T>): Promise<T> {
    if (this.#tracer === undefined) return take();
    const { context, trace } = this.#parts.api;
    const span = this.#tracer.startSpan("acquire", {
      kind: CLIENT,
      attributes: this.#poolSpan,
    });
    const within = trace.setSpan(context.active(), span);
    return follow(span, "acquire", context.with(within, take));
  }

  /**
   * Reports the opening of a connection, its attempts and the wait for a server that loads
   * its data together. What the connection does later belongs to no span: it outlives
   * the call that it was opened for.
   *
   * @param purpose What it is for.
   * @param open Opens it.
   * @returns The connection.
   */
  connect<C extends { readonly endpoint: string }>(
    purpose: string,
    open: () => Promise<C>,
  ): Promise<C> {
    if (this.#tracer === undefined) return open();
    const { api: { context, trace }, endpoint } = this.#parts;
    const span = this.#tracer.startSpan("connect", {
      kind: CLIENT,
      attributes: { ...this.#poolSpan, [ATTRIBUTE.purpose]: purpose },
    });
    const apart = trace.deleteSpan(context.active());
    const opening = context.with(apart, open).then((connection) => {
      if (endpoint === undefined) {
        span.setAttributes(serverAttributes(connection.endpoint));
      }
      return connection;
    });
    return follow(span, "connect", opening);
  }

  /**
   * Reports how long something took.
   *
   * @param what What: to open a connection, to wait for a lease, to hold one.
   * @param ms How long, in milliseconds.
   */
  took(what: "create" | "wait" | "use", ms: number): void {
    this.#parts.instruments?.durations[what].record(ms / 1000, this.#pool!.attributes);
  }

  #begin(
    operation: Operation,
    commands: readonly ObservedCommand[],
    isBlocking: boolean,
  ): EndBatch {
    const { clock, instruments } = this.#parts;
    const startedAt = clock.now();
    const options = this.#tracer && this.#spanOptions(operation, commands);
    const span = this.#tracer?.startSpan(operation.name, options);
    return (error) => {
      const seconds = (clock.now() - startedAt) / 1000;
      const tracking = commands.at(-1)?.tracking;
      const failure = error === undefined
        ? undefined
        : describeFailure(error, operation.name);
      // Where the connections lead to different servers, each knows its own.
      const server = this.#parts.endpoint === undefined && tracking?.connection
        ? serverAttributes(tracking.connection.endpoint)
        : undefined;
      if (span !== undefined) {
        if (server !== undefined) span.setAttributes(server);
        if (tracking !== undefined && tracking.attempts > 1) {
          span.setAttribute(ATTRIBUTE.retries, tracking.attempts - 1);
        }
        if (failure) markFailed(span, failure);
        span.end();
      }
      const { attributes } = operation.span;
      instruments?.durations[isBlocking ? "blocking" : "operation"].record(
        seconds,
        failure || server
          ? { ...attributes, ...server, ...(failure && failureAttributes(failure)) }
          : attributes,
      );
    };
  }

  #spanOptions(
    { span }: Operation,
    commands: readonly ObservedCommand[],
  ): Operation["span"] {
    const { queryText } = this.#parts;
    const { length } = commands;
    if (queryText === "off" && length === 1) return span;
    const attributes = { ...span.attributes };
    if (queryText !== "off") {
      attributes[ATTRIBUTE.queryText] = writeBatchText(commands, queryText);
    }
    if (length !== 1) attributes[ATTRIBUTE.batchSize] = length;
    return { kind: CLIENT, attributes };
  }
}

/** Ends a span when a promise settles; gives the same outcome. */
async function follow<T>(span: Span, what: string, outcome: Promise<T>): Promise<T> {
  try {
    return await outcome;
  } catch (error) {
    markFailed(span, describeFailure(error, what));
    throw error;
  } finally {
    span.end();
  }
}

/** Calls back after a command has been settled; only before it is delivered. */
function whenSettled(command: ObservedCommand, settled: EndBatch): void {
  const isOurs = command.succeed !== undefined;
  const succeed = isOurs ? command.succeed! : command.resolve;
  const fail = isOurs ? command.fail! : command.reject;
  // A reply of which nothing can be made fails within its success.
  let isSettled = false;
  const settle = (error?: Error) => {
    if (!isSettled) settled(error);
    isSettled = true;
  };
  const replied = (reply: unknown) => {
    succeed.call(command, reply);
    settle();
  };
  const failed = (error: Error) => {
    fail.call(command, error);
    settle(error);
  };
  Object.assign(
    command,
    { adopt: succeed },
    isOurs ? { succeed: replied, fail: failed } : { resolve: replied, reject: failed },
  );
}
