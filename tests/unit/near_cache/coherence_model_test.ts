/**
 * The near cache against a modelled server, in random interleavings of calls, writes,
 * deliveries and cuts: no read may give what was known to be old when it was made.
 */
import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { seeded } from "../transport/reply_streams.ts";
import { makeStage, type Stage } from "./_stage.ts";

const KEYS = ["a", "b", "c"];

/** What was known of each key when a read was made. */
class Floors {
  readonly #known = new Map<string, number>();
  raise(key: string, version: number): void {
    this.#known.set(key, Math.max(this.of(key), version));
  }
  of(key: string): number {
    return this.#known.get(key) ?? 0;
  }
}

/** A frame that a server has sent and nobody has received. */
type Frame =
  | { kind: "reply"; command: Sent; version: number }
  | { kind: "done"; command: Sent; version: number }
  | { kind: "changed"; key: string; version: number };

/** A command that is out. */
interface Sent {
  readonly key: string;
  readonly isWrite: boolean;
  settle(version: number): void;
  lose(): void;
}

interface Line {
  connection: ReturnType<Stage["connect"]>;
  toServer: Sent[];
  toClient: Frame[];
  remembered: Set<string>;
  isTracked: boolean;
}

class Model {
  readonly random: () => number;
  readonly stage = makeStage({ maxEntries: 2 });
  readonly floors = new Floors();
  readonly versions = new Map<string, number>();
  lines: Line[] = [];
  reads = 0;
  violations: string[] = [];

  constructor(seed: number, readonly isBroadcast: boolean) {
    this.random = seeded(seed);
  }

  below(n: number): number {
    return Math.floor(this.random() * n);
  }

  async open(isTracked: boolean): Promise<void> {
    const connection = this.stage.connect();
    if (isTracked) await this.stage.track(connection);
    this.lines.push({
      connection,
      toServer: [],
      toClient: [],
      remembered: new Set(),
      isTracked,
    });
  }

  /** A line for a command: one that is tracked, for reads. */
  line(isTracked: boolean): Line {
    const fit = this.lines.filter((line) => line.isTracked === isTracked);
    return fit[this.below(fit.length)]!;
  }

  read(key: string, call?: { fresh?: boolean; timeoutMs?: number }): void {
    const floor = this.floors.of(key);
    const reading = this.stage.get(key, call);
    for (const command of this.stage.takeSent()) this.send(this.line(true), command);
    reading.then((text) => {
      this.reads++;
      const version = Number(text ?? 0);
      if (version < floor) {
        this.violations.push(`${key} was ${version}, known was ${floor}`);
      }
      this.floors.raise(key, version);
    });
  }

  /** Sends a command of the client by a line, again by another one if that is cut. */
  send(line: Line, command: ReturnType<Stage["takeSent"]>[number]): void {
    this.stage.sentOn(command, line.connection);
    line.toServer.push({
      key: command.args[0] as string,
      isWrite: false,
      settle: (version) => command.resolve(Buffer.from(String(version))),
      lose: () => this.send(this.line(true), command),
    });
  }

  write(key: string, isLease: boolean): void {
    const line = this.line(!isLease);
    const writing = isLease
      ? this.stage.setOn(line.connection, key)
      : this.stage.set(key);
    let version = 0;
    for (const command of this.stage.takeSent()) {
      this.stage.sentOn(command, line.connection);
      line.toServer.push({
        key,
        isWrite: true,
        settle: (made) => {
          version = made;
          command.resolve(Buffer.from("OK"));
        },
        lose: () => command.reject(new Error("lost")),
      });
    }
    writing.then(() => this.floors.raise(key, version), () => {});
  }

  /** Somebody else writes, or a write of ours runs. */
  change(key: string, by?: Line, command?: Sent): void {
    const version = (this.versions.get(key) ?? 0) + 1;
    this.versions.set(key, version);
    if (by !== undefined) by.toClient.push({ kind: "done", command: command!, version });
    for (const line of this.lines) {
      if (!line.isTracked) continue;
      if (!line.remembered.delete(key) && !this.isBroadcast) continue;
      line.toClient.push({ kind: "changed", key, version });
    }
  }

  /** The server runs the next command of a line. */
  run(line: Line): void {
    const command = line.toServer.shift();
    if (command === undefined) return;
    const { key, isWrite } = command;
    if (isWrite) return this.change(key, line, command);
    line.remembered.add(key);
    const version = this.versions.get(key) ?? 0;
    line.toClient.push({ kind: "reply", command, version });
  }

  /** Some frames arrive in one chunk: announcements are read first, then replies. */
  deliver(line: Line): void {
    const chunk = line.toClient.splice(0, 1 + this.below(3));
    for (const frame of chunk) {
      if (frame.kind !== "changed") continue;
      line.connection.changed(frame.key);
      this.floors.raise(frame.key, frame.version);
    }
    for (const frame of chunk) {
      if (frame.kind !== "changed") frame.command.settle(frame.version);
    }
  }

  /** A connection is lost, with all that is under way on it. */
  async cut(line: Line): Promise<void> {
    this.lines = this.lines.filter((each) => each !== line);
    await this.open(line.isTracked);
    line.connection.end();
    for (const { command } of line.toClient.filter((frame) => "command" in frame)) {
      (command as Sent).lose();
    }
    for (const command of line.toServer) command.lose();
  }

  /** All that is under way ends: what is read then is what the server has. */
  async settle(): Promise<void> {
    while (this.lines.some((line) => line.toServer.length + line.toClient.length > 0)) {
      for (const line of this.lines) {
        this.run(line);
        this.deliver(line);
      }
      await turns();
    }
    for (const key of KEYS) {
      this.floors.raise(key, this.versions.get(key) ?? 0);
      this.read(key);
    }
  }

  async step(): Promise<void> {
    const key = KEYS[this.below(KEYS.length)]!;
    const line = this.lines[this.below(this.lines.length)]!;
    const choice = this.below(100);
    if (choice < 30) this.read(key);
    else if (choice < 33) this.read(key, { fresh: true });
    else if (choice < 36) this.read(key, { timeoutMs: 100 });
    else if (choice < 44) this.write(key, false);
    else if (choice < 48) this.write(key, true);
    else if (choice < 56) this.change(key);
    else if (choice < 76) this.run(line);
    else if (choice < 98) this.deliver(line);
    else await this.cut(line);
    // Those that wait go on now and then only: several things happen in one turn.
    if (this.below(2) === 0) await turns();
  }
}

async function turns(): Promise<void> {
  for (let i = 0; i < 8; i++) await null;
}

for (const isBroadcast of [false, true]) {
  const how = isBroadcast ? "of all keys" : "of keys that were read";
  Deno.test(`no read gives what was known to be old: announcements ${how}`, async () => {
    let reads = 0;
    let hits = 0;
    for (let seed = 1; seed <= 150; seed++) {
      const model = new Model(seed, isBroadcast);
      await model.open(true);
      await model.open(true);
      await model.open(false);
      for (let step = 1; step <= 400; step++) {
        await model.step();
        if (step % 40 === 0) await model.settle();
      }
      await turns();
      assertEquals(model.violations, [], `seed ${seed}`);
      reads += model.reads;
      hits += model.stage.counts.nearCacheHits;
      assert(model.stage.cache.size.entries <= 2);
    }
    // It would be true of a cache that keeps nothing.
    assert(hits > reads / 10, `${hits} hits of ${reads} reads`);
  });
}
