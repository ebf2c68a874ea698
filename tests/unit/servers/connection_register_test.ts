import { assertEquals } from "@std/assert";
import type { CloseReason, Connection } from "../../../src/connection/connection.ts";
import type { ConnectionDetail } from "../../../src/core/events.ts";
import { Traffic } from "../../../src/observability/statistics.ts";
import { ConnectionRegister } from "../../../src/servers/connection_register.ts";

/** What a register sees of a connection. */
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

/** A register, and what it tells in order. */
function makeRegister() {
  const told: string[] = [];
  const traffic = new Traffic();
  const register = new ConnectionRegister({
    database: "main",
    traffic,
    lost: () => told.push("lost"),
    troubled: () => told.push("troubled"),
    emit: (_type, detail) => {
      const { action, end, id } = detail as ConnectionDetail;
      told.push([id, action, end].filter((part) => part !== undefined).join(" "));
    },
  });
  const add = (connection: FakeConnection) =>
    register.add(connection as unknown as Connection);
  return { add, register, told, traffic };
}

Deno.test("ConnectionRegister tells of what opens and ends, and of what was lost", () => {
  const { add, register, told, traffic } = makeRegister();
  const [one, two] = [new FakeConnection(1), new FakeConnection(2)];
  add(one);
  add(two);
  one.end({ kind: "lost", text: "reset" });
  assertEquals(told, ["1 opened", "2 opened", "lost", "1 closed lost", "troubled"]);
  told.length = 0;
  register.cut();
  // One that has ended is not ended again; that we end one is no trouble.
  assertEquals(told, ["2 closed closed"]);
  assertEquals([one.closed.length, two.closed.length], [0, 1]);
  assertEquals([register.opened, traffic.bytesSent, traffic.bytesReceived], [2, 10, 14]);
});

Deno.test("ConnectionRegister tells of the opening first, also where the end has come already", () => {
  const { add, register, told } = makeRegister();
  const connection = new FakeConnection(1);
  connection.end({ kind: "silent", text: "nothing came" });
  add(connection);
  assertEquals(told, ["1 opened", "lost", "1 closed silent", "troubled"]);
  register.cut();
  assertEquals(connection.closed, []);
});
