/** What tests of lanes stand in for: connections and commands without sockets. */
import type { Connection } from "../../../src/connection/connection.ts";
import { Command } from "../../../src/connection/ioredis.ts";
import {
  type CommandOwner,
  type PendingCommand,
  track,
} from "../../../src/connection/pending_command.ts";
import type { Delivery } from "../../../src/core/errors/mod.ts";
import type { Lane, LaneConnection } from "../../../src/pool/lane_choice.ts";
import { LaneSet } from "../../../src/pool/lanes.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";

/** A connection that answers when the test says so. */
export class FakeConnection implements LaneConnection {
  readonly sent: PendingCommand[] = [];
  readonly stream = {
    bufferedBytes: 0,
    congested: false,
    maxBufferedBytes: 1000,
    tick: 0,
  };
  isOpen = true;
  inFlight = 0;
  readonly #onEnd: (() => void)[] = [];

  /** The names of what was sent on it. */
  get names(): string[] {
    return this.sent.map(({ name }) => name);
  }

  get awaited(): number {
    return this.sent.slice(this.sent.length - this.inFlight)
      .filter(({ tracking }) => !tracking.settled).length;
  }

  send(command: PendingCommand): void {
    command.tracking.attempts++;
    // What a real one does; here only its identity is of interest.
    command.tracking.connection = this as unknown as Connection;
    this.sent.push(command);
    this.inFlight++;
  }

  sendBatch(commands: readonly PendingCommand[]): void {
    for (const command of commands) this.send(command);
  }

  onEnd(fn: () => void): void {
    if (this.isOpen) this.#onEnd.push(fn);
    else fn();
  }

  /** Answers the oldest commands. */
  answer(count = this.inFlight): void {
    const first = this.sent.length - this.inFlight;
    this.inFlight -= count;
    for (const { tracking } of this.sent.slice(first, first + count)) {
      tracking.settled = true;
    }
  }

  /** Answers the oldest command: with an error reply if that is an error. */
  reply(reply: unknown): void {
    const command = this.sent[this.sent.length - this.inFlight--]!;
    const { owner } = command.tracking;
    if (reply instanceof Error) owner.failed(command, reply, "rejected");
    else command.resolve(reply);
  }

  /** Called of each EXEC: its replies are the test's own. */
  execReplied(): void {}

  end(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    for (const fn of this.#onEnd.splice(0)) fn();
  }
}

/** What became of a command that failed. */
export interface Failure {
  name: string;
  error: Error;
  delivery: Delivery;
}

/** A set of lanes on fake time, whose connections open when the test says so. */
export class LaneBench {
  readonly clock = new FakeClock();
  readonly lanes: LaneSet<FakeConnection>;
  readonly connections: FakeConnection[] = [];
  readonly failures: Failure[] = [];
  /** Why lanes were given back, in order. */
  readonly released: string[] = [];
  /** What they are counted as. */
  readonly counted: string[] = [];
  readonly #opening: PromiseWithResolvers<Lane<FakeConnection>>[] = [];
  readonly #owner: CommandOwner = {
    replied: () => {},
    failed: (command, error, delivery) => {
      command.tracking.settled = true;
      this.failures.push({ name: command.name, error, delivery });
    },
  };

  constructor(
    options: { maxLanes?: number; maxWaiting?: number; idleTimeoutMs?: number } = {},
  ) {
    const { maxLanes = 1, maxWaiting = 10, idleTimeoutMs = 0 } = options;
    this.lanes = new LaneSet<FakeConnection>({
      database: "main",
      maxLanes,
      maxWaiting,
      idleTimeoutMs,
      commandTimeoutMs: 1000,
      clock: this.clock,
      open: () => {
        const opening = Promise.withResolvers<Lane<FakeConnection>>();
        this.#opening.push(opening);
        return opening.promise;
      },
    });
  }

  /** Lanes that are being opened. */
  get opening(): number {
    return this.#opening.length;
  }

  /** Opens the lane that was asked for first. */
  async open(expiresAt = Infinity): Promise<FakeConnection> {
    const connection = new FakeConnection();
    this.connections.push(connection);
    this.#opening.shift()!.resolve({
      connection,
      expiresAt,
      release: (reason, counted) => {
        this.released.push(reason);
        if (connection.isOpen) this.counted.push(counted);
        connection.end();
      },
    });
    await this.clock.advance(0);
    return connection;
  }

  /** The opening of the lane that was asked for first fails. */
  async refuse(error: Error): Promise<void> {
    this.#opening.shift()!.reject(error);
    await this.clock.advance(0);
  }

  /** A command with a deadline. */
  command(name: string, args: string[] = [], timeoutMs = 1000): PendingCommand {
    return track(new Command(name, args), this.#owner, timeoutMs);
  }

  /** Submits commands of these names. */
  submit(...names: string[]): void {
    for (const name of names) this.lanes.submit(this.command(name));
  }

  /** Lanes, opened by as many saturated ticks as it takes. */
  async grow(count: number): Promise<void> {
    this.submit("first");
    await this.open();
    while (this.lanes.size < count) {
      for (const connection of this.connections) connection.inFlight = 256;
      for (let tick = 0; tick < 8; tick++) {
        for (const { stream } of this.connections) stream.tick++;
        this.submit("busy");
      }
      await this.open();
    }
    for (const connection of this.connections) connection.answer();
  }
}
