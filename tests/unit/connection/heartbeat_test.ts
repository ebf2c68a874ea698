import { assertEquals } from "@std/assert";
import {
  type HeartbeatTarget,
  startHeartbeat,
} from "../../../src/connection/liveness.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";

const TIMES = { intervalMs: 1000, timeoutMs: 100 };

class FakeConnection implements HeartbeatTarget {
  isOpen = true;
  inFlight = 0;
  lastReceivedAt = 0;
  asked: number[] = [];
  closed: string[] = [];
  alive = true;
  readonly #clock: FakeClock;
  readonly #onEnd: (() => void)[] = [];

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  ask(): Promise<boolean> {
    this.asked.push(this.#clock.now());
    if (this.alive) this.lastReceivedAt = this.#clock.now();
    return Promise.resolve(this.alive);
  }

  onEnd(fn: () => void): void {
    this.#onEnd.push(fn);
  }

  close({ kind }: { kind: string }): void {
    this.closed.push(kind);
    this.isOpen = false;
    for (const fn of this.#onEnd) fn();
  }
}

Deno.test("startHeartbeat() sends a PING after each interval of silence", async () => {
  const clock = new FakeClock();
  const connection = new FakeConnection(clock);
  startHeartbeat(connection, TIMES, clock);
  await clock.advance(3500);
  assertEquals(connection.asked, [1000, 2000, 3000]);
});

Deno.test("startHeartbeat() sends no PING while bytes are received, nor with commands in flight", async () => {
  const clock = new FakeClock();
  const connection = new FakeConnection(clock);
  startHeartbeat(connection, TIMES, clock);
  await clock.advance(600);
  connection.lastReceivedAt = 600;
  await clock.advance(900);
  assertEquals(connection.asked, []);
  connection.inFlight = 1;
  await clock.advance(2000);
  assertEquals([connection.asked, connection.closed], [[], []]);
});

Deno.test("startHeartbeat() closes a connection that does not answer, and stops", async () => {
  const clock = new FakeClock();
  const connection = new FakeConnection(clock);
  connection.alive = false;
  startHeartbeat(connection, TIMES, clock);
  await clock.advance(5000);
  assertEquals([connection.asked, connection.closed], [[1000], ["silent"]]);
  assertEquals(clock.pending, 0);
});

Deno.test("startHeartbeat() ignores changes of the wall clock", async () => {
  const clock = new FakeClock();
  const connection = new FakeConnection(clock);
  startHeartbeat(connection, TIMES, clock);
  clock.setWall(0);
  await clock.advance(1500);
  clock.setWall(4e12);
  await clock.advance(1000);
  assertEquals(connection.asked, [1000, 2000]);
});

Deno.test("startHeartbeat() sends one PING after a freeze of any length", async () => {
  const clock = new FakeClock();
  const connection = new FakeConnection(clock);
  startHeartbeat(connection, TIMES, clock);
  clock.freeze(60_000);
  await clock.advance(0);
  assertEquals(connection.asked, [60_000]);
});
