import type { Attributes, Span, Tracer } from "@opentelemetry/api";
import type { Clock } from "../../core/clock.ts";
import { isWritable } from "../../core/errors/command.ts";
import type { MetricsSource } from "../metrics.ts";
import { describeFailure, failureAttributes, markFailed } from "./failure.ts";
import type { Api, Instruments, WatchedPool } from "./instruments.ts";
import {
  ATTRIBUTE,
  type BatchKind,
  CLIENT,
  type EndBatch,
  type ObservedCommand,
  type Operation,
  type OperationObserver,
  Operations,
  type QueryText,
  serverAttributes,
  SYSTEM,
  writeBatchText,
  writeQueryText,
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
  /** What spans tell of arguments. */
  readonly queryText: QueryText;
}

/** An operation that is going on. */
interface Running {
  readonly operation: Operation;
  /** Whether it is one command, by itself. */
  readonly isOne: boolean;
  readonly span: Span | undefined;
  readonly startedAt: number;
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
    // It is not sent, and its caller knows.
    if (!isWritable(command)) return;
    const running = this.#begin(this.#operations.named(command.name), command);
    whenTold(command, (error) => this.#end(running, command, error));
  }

  commands(commands: readonly ObservedCommand[]): void {
    const isTransaction = commands[0]?.name === "multi" &&
      commands.at(-1)?.name === "exec";
    const end = isTransaction
      ? this.batch(commands.slice(1, -1), "MULTI")
      : this.batch(commands, "PIPELINE");
    const writable = commands.filter(isWritable);
    let left = writable.length;
    let failure: Error | undefined;
    const told = (error?: Error) => {
      failure ??= error;
      if (--left === 0) end(failure);
    };
    for (const command of writable) whenTold(command, told);
  }

  batch(commands: readonly ObservedCommand[], kind: BatchKind): EndBatch {
    const names = commands.map(({ name }) => name);
    const operation = this.#operations.ofBatch(names, kind);
    const running = this.#begin(operation, commands);
    const [last] = commands.slice(-1);
    return (error) => this.#end(running, last, error);
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
   * its data together. What the connection does later belongs to nobody's span: it outlives
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
   * A connection was opened.
   *
   * @param tookMs How long it took, in milliseconds.
   */
  opened(tookMs: number): void {
    this.#parts.instruments?.durations.create.record(
      tookMs / 1000,
      this.#pool!.attributes,
    );
  }

  /**
   * A lease was handed out.
   *
   * @param waitedMs How long its caller waited, in milliseconds.
   */
  acquired(waitedMs: number): void {
    this.#parts.instruments?.durations.wait.record(
      waitedMs / 1000,
      this.#pool!.attributes,
    );
  }

  /**
   * A lease came back.
   *
   * @param usedMs How long it was held, in milliseconds.
   */
  released(usedMs: number): void {
    this.#parts.instruments?.durations.use.record(usedMs / 1000, this.#pool!.attributes);
  }

  #begin(
    operation: Operation,
    what: ObservedCommand | readonly ObservedCommand[],
  ): Running {
    const startedAt = this.#parts.clock.now();
    const isOne = !Array.isArray(what);
    if (this.#tracer === undefined) {
      return { operation, isOne, span: undefined, startedAt };
    }
    const { queryText } = this.#parts;
    if (isOne && queryText === "off") {
      const span = this.#tracer.startSpan(operation.name, operation.span);
      return { operation, isOne, span, startedAt };
    }
    const attributes = {
      ...operation.span.attributes,
      ...this.#textOf(what),
      ...(isOne || what.length === 1 ? {} : { [ATTRIBUTE.batchSize]: what.length }),
    };
    const span = this.#tracer.startSpan(operation.name, { kind: CLIENT, attributes });
    return { operation, isOne, span, startedAt };
  }

  #textOf(what: ObservedCommand | readonly ObservedCommand[]): Attributes {
    const { queryText } = this.#parts;
    if (queryText === "off") return {};
    const text = Array.isArray(what)
      ? writeBatchText(what, queryText)
      : writeQueryText(what as ObservedCommand, queryText);
    return { [ATTRIBUTE.queryText]: text };
  }

  #end(running: Running, command: ObservedCommand | undefined, error?: unknown): void {
    const { operation, span, startedAt } = running;
    const { clock, endpoint, instruments } = this.#parts;
    const seconds = (clock.now() - startedAt) / 1000;
    const tracking = command?.tracking;
    const failure = error === undefined
      ? undefined
      : describeFailure(error, operation.name);
    // Where the connections lead to different servers, each knows its own.
    const server = endpoint === undefined && tracking?.connection !== undefined
      ? serverAttributes(tracking.connection.endpoint)
      : undefined;
    if (span !== undefined) {
      if (server !== undefined) span.setAttributes(server);
      if (tracking !== undefined && tracking.attempts > 1) {
        span.setAttribute(ATTRIBUTE.retries, tracking.attempts - 1);
      }
      if (failure !== undefined) markFailed(span, failure);
      span.end();
    }
    if (instruments === undefined) return;
    const attributes = failure === undefined && server === undefined
      ? operation.metric
      : {
        ...operation.metric,
        ...server,
        ...(failure === undefined ? {} : failureAttributes(failure)),
      };
    // Within a batch nothing blocks.
    const isBlocking = running.isOne && this.#parts.isBlocking(command!);
    instruments.durations[isBlocking ? "blocking" : "operation"].record(
      seconds,
      attributes,
    );
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

/** Calls back after the caller of a command has been told; before it is delivered only. */
function whenTold(command: ObservedCommand, told: (error?: Error) => void): void {
  const isOurs = command.succeed !== undefined;
  const succeed = isOurs ? command.succeed! : command.resolve;
  const fail = isOurs ? command.fail! : command.reject;
  // A reply of which nothing can be made fails within its success.
  let isTold = false;
  const tell = (error?: Error) => {
    if (!isTold) told(error);
    isTold = true;
  };
  const replied = (reply: unknown) => {
    succeed.call(command, reply);
    tell();
  };
  const failed = (error: Error) => {
    fail.call(command, error);
    tell(error);
  };
  Object.assign(
    command,
    { adopt: succeed },
    isOurs ? { succeed: replied, fail: failed } : { resolve: replied, reject: failed },
  );
}
