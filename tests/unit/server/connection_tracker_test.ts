import { assertEquals } from "@std/assert";
import { RedisConfigLoader } from "../../../src/config/mod.ts";
import type { Connection } from "../../../src/connection/connection.ts";
import type { CloseReason } from "../../../src/connection/pending_command.ts";
import type { Emit, ManagerEventMap } from "../../../src/core/events.ts";
import { DatabaseStatistics } from "../../../src/observability/statistics.ts";
import { ConnectionTracker } from "../../../src/server/connections.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";

/** A connection as the tracker uses it. */
class FakeConnection {
  readonly endpoint = "10.0.0.7:6379";
  readonly stream = { bytesSent: 5, bytesReceived: 7 };
  readonly closed: CloseReason[] = [];
  readonly #onEnd: Parameters<Connection["onEnd"]>[0][] = [];
  #reason: CloseReason | undefined;

  constructor(readonly id: number) {}

  onEnd(fn: Parameters<Connection["onEnd"]>[0]): void {
    if (this.#reason === undefined) this.#onEnd.push(fn);
    else this.#tell(fn, this.#reason);
  }
  close(reason: CloseReason): void {
    this.closed.push(reason);
    this.end(reason);
  }
  end(reason: CloseReason): void {
    this.#reason = reason;
    for (const fn of this.#onEnd.splice(0)) this.#tell(fn, reason);
  }
  #tell(fn: Parameters<Connection["onEnd"]>[0], reason: CloseReason): void {
    fn(reason, this as unknown as Connection);
  }
}

/** A tracker, and what it calls, in order. */
function makeTracker() {
  const calls: string[] = [];
  const config = RedisConfigLoader.fromOptions({ databases: { main: {} } })
    .databases.main!;
  const statistics = new DatabaseStatistics("main", new FakeClock());
  const emit: Emit = (_type, detail) => {
    const { action, end, id } = detail as ManagerEventMap["connection"];
    calls.push([id, action, end].filter((part) => part !== undefined).join(" "));
  };
  const tracker = new ConnectionTracker({ config, statistics, emit }, {
    lost: () => calls.push("lost"),
    troubled: () => calls.push("troubled"),
  });
  const add = (connection: FakeConnection) =>
    tracker.add(connection as unknown as Connection);
  return { add, calls, tracker, traffic: statistics.traffic };
}

Deno.test("ConnectionTracker emits what opens and ends, and calls back for what was lost", () => {
  const { add, tracker, calls, traffic } = makeTracker();
  const [one, two] = [new FakeConnection(1), new FakeConnection(2)];
  add(one);
  add(two);
  one.end({ kind: "lost", text: "reset" });
  assertEquals(calls, ["1 opened", "2 opened", "lost", "1 closed lost", "troubled"]);
  calls.length = 0;
  tracker.closeAll();
  // One that has ended is not closed again; one that we close is not lost.
  assertEquals(calls, ["2 closed closed"]);
  assertEquals([one.closed.length, two.closed.length], [0, 1]);
  assertEquals([tracker.opened, traffic.bytesSent, traffic.bytesReceived], [2, 10, 14]);
});

Deno.test("ConnectionTracker emits the opening first, even if the connection has ended already", () => {
  const { add, tracker, calls } = makeTracker();
  const connection = new FakeConnection(1);
  connection.end({ kind: "silent", text: "nothing came" });
  add(connection);
  assertEquals(calls, ["1 opened", "lost", "1 closed silent", "troubled"]);
  tracker.closeAll();
  assertEquals(connection.closed, []);
});
