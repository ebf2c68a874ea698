import type { CommandSink } from "../commands/dispatcher.ts";
import type { Connection } from "../connection/connection.ts";
import { isReplyError } from "../connection/driver.ts";
import type { TrackedCommand } from "../connection/tracked.ts";
import type { ConnectionCounts } from "../observability/metrics.ts";
import type { DatabaseHealth } from "../observability/types.ts";
import type { OpenConnection } from "../pool/types.ts";
import type { CircuitBreaker } from "../resilience/circuit_breaker.ts";
import type { PooledConnection } from "./pool.ts";
import type { ServerConnections, ServerNumbers } from "./server_connections.ts";
import type { LeaseTarget, LeaseWait, Servers } from "./servers.ts";

const ANYWHERE = Object.freeze({ asking: false });

/** The one server of a database that has one: commands go to its lanes directly. */
export class SingleServer implements Servers {
  readonly sink: CommandSink;
  readonly gate: CircuitBreaker;
  readonly #server: ServerConnections;

  /**
   * Opens nothing.
   *
   * @param server The server.
   */
  constructor(server: ServerConnections) {
    this.#server = server;
    this.sink = server.lanes;
    this.gate = server.breaker;
  }

  openError(): Error {
    return this.#server.openError();
  }

  /** What is sent anew goes by the lanes, which lead to the new place by then. */
  redirect(command: TrackedCommand, error: Error): boolean {
    this.learn(command, error);
    return false;
  }

  learn(_command: TrackedCommand, error: Error): void {
    if (isReplyError(error)) this.#server.learn(error.message);
  }

  targetOf(): LeaseTarget & { asking: boolean } {
    return ANYWHERE;
  }

  lease<T>(
    _target: LeaseTarget,
    wait: LeaseWait,
    lease: (server: ServerConnections, wait: LeaseWait) => Promise<T>,
  ): Promise<T> {
    return lease(this.#server, wait);
  }

  whenReady(signal?: AbortSignal): Promise<void> {
    return this.#server.whenReady(signal);
  }

  reresolve(reason: string): void {
    this.#server.replaceAll(reason);
  }

  notReady(connection: Connection): void {
    this.#server.health.notReady(connection);
  }

  transactionRefused(): void {
    this.#server.lanes.transactionRefused();
  }

  check(signal?: AbortSignal): Promise<boolean> {
    return this.#server.probe.check(signal);
  }

  reap(): number {
    return this.#server.reap();
  }

  connections(): ConnectionCounts {
    return this.#server.connections();
  }

  openConnections(): OpenConnection<PooledConnection>[] {
    return this.#server.openConnections();
  }

  numbers(): ServerNumbers {
    return this.#server.numbers();
  }

  health(): DatabaseHealth {
    return this.#server.health.judge();
  }

  resetBreakers(): void {
    this.#server.resetBreaker();
  }

  stopReporting(): void {
    this.#server.health.stop();
  }

  close(drainMs: number): Promise<number> {
    return this.#server.close(drainMs);
  }
}
