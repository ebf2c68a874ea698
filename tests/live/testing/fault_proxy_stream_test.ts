/** What comes through a relay is a prefix of what was sent, whatever it is told to do. */
import { assert, assertEquals } from "@std/assert";
import { connect, createServer, type Socket } from "node:net";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import type { ProxyFault } from "../../../src/testing/proxy_pipe.ts";
import { delay, waitFor } from "../../../src/testing/wait.ts";
import { BusyProcesses } from "../../support/busy.ts";
import { Random } from "../../support/random.ts";

/** Byte number `i` of a stream: a hole of any length up to 64 KiB shows. */
function byteAt(i: number): number {
  return (i ^ (i >> 8) * 89) & 255;
}

function slice(from: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => byteAt(from + i));
}

/** One end of a connection: sends the stream and compares what comes with it. */
class End {
  readonly socket: Socket;
  sent = 0;
  received = 0;
  /** Where the stream that came was another one for the first time. */
  wrongAt: number | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (bytes: Uint8Array) => this.#take(bytes));
    socket.on("error", () => {});
  }

  send(length: number): void {
    if (this.socket.destroyed || this.socket.writableEnded) return;
    this.socket.write(slice(this.sent, length));
    this.sent += length;
  }

  #take(bytes: Uint8Array): void {
    const wrong = bytes.findIndex((byte, i) => byte !== byteAt(this.received + i));
    if (wrong >= 0) this.wrongAt ??= this.received + wrong;
    this.received += bytes.length;
  }
}

/** A relay between clients and a server that both send streams. */
class Streams implements AsyncDisposable {
  readonly ends: End[] = [];
  readonly #stack = new AsyncDisposableStack();
  relay!: FaultProxy;

  static async start(): Promise<Streams> {
    const streams = new Streams();
    const server = createServer((socket) => streams.ends.push(new End(socket)));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    streams.#stack.defer(() => {
      for (const { socket } of streams.ends) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    });
    const { port } = server.address() as { port: number };
    streams.relay = streams.#stack.use(
      await FaultProxy.start({ to: { host: "127.0.0.1", port } }),
    );
    return streams;
  }

  /** A client and the server's end of its connection. */
  async connect(): Promise<[client: End, server: End]> {
    const before = this.ends.length;
    const socket = connect(this.relay.port, "127.0.0.1");
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    const client = new End(socket);
    this.#stack.defer(() => void socket.destroy());
    await waitFor(() => this.ends.length > before, { everyMs: 1 });
    return [client, this.ends[before]!];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

function randomFault(random: Random): ProxyFault {
  const how = random.pick(["end", "reset"] as const);
  return random.pick<ProxyFault>([
    { kind: "pass" },
    { kind: "pass" },
    { kind: "stall" },
    { kind: "swallow" },
    { kind: "delay", ms: random.between(1, 40) },
    { kind: "cut", afterBytes: random.below(300), how },
    { kind: "cut", afterBytes: random.below(300), how },
  ]);
}

/** Does something to the relay, by chance. */
function spoil(relay: FaultProxy, random: Random): void {
  const { connections } = relay;
  const one = connections.length === 0 ? undefined : random.pick(connections);
  const some: (() => void)[] = [
    () => relay.heal(),
    () => relay.heal(),
    () => relay.set({ toServer: randomFault(random) }),
    () => relay.set({ toClient: randomFault(random) }),
    () => one?.set({ toServer: randomFault(random), toClient: randomFault(random) }),
    () => one?.set({ toServer: { kind: "pass" }, toClient: { kind: "pass" } }),
  ];
  const rare: (() => void)[] = [
    () => one?.blackhole(),
    () => one?.reset(),
    () => one?.end(),
    () => relay.reset(),
  ];
  random.pick(random.below(12) === 0 ? rare : some)();
}

async function runAtRandom(seed: number, steps: number): Promise<void> {
  const random = new Random(seed);
  await using streams = await Streams.start();
  const pairs: [End, End][] = [];
  let passed = 0;
  for (let step = 0; step < steps; step++) {
    const open = pairs.filter(([client]) => !client.socket.destroyed);
    if (open.length < 4) pairs.push(await streams.connect());
    for (const end of open.flat()) {
      if (random.below(3) > 0) end.send(random.between(1, 400));
    }
    if (random.below(3) === 0) spoil(streams.relay, random);
    await delay(random.below(6));
    // Within the time that a cut by reset takes, and beyond it.
    if (random.below(20) === 0) streams.relay.heal();
  }
  streams.relay.heal();
  await delay(100);
  for (const [i, [client, server]] of pairs.entries()) {
    for (
      const [way, from, to] of [["server", client, server], [
        "client",
        server,
        client,
      ]] as const
    ) {
      const where = `connection ${i} to the ${way}, seed ${seed}`;
      assertEquals(to.wrongAt, undefined, `${where}: a hole`);
      assert(to.received <= from.sent, `${where}: more came than was sent`);
      passed += to.received;
    }
  }
  assert(pairs.length > steps / 100, `${pairs.length} connections are too few`);
  assert(passed > steps * 10, `${passed} bytes are too few`);
}

for (const busy of [0, 3]) {
  Deno.test(`FaultProxy delivers prefixes whatever it is told, beside ${busy} busy processes`, async () => {
    await using _busy = new BusyProcesses(busy);
    const seed = Math.floor(Math.random() * 2 ** 31);
    await runAtRandom(seed, 500);
  });
}

/** Sends bytes until `ms` are over. */
async function sendFor(end: End, ms: number): Promise<void> {
  for (const until = performance.now() + ms; performance.now() < until;) {
    end.send(100);
    await delay(1);
  }
}

for (const how of ["reset", "end"] as const) {
  Deno.test(`FaultProxy does not take a cut by ${how} back when it is healed`, async () => {
    await using streams = await Streams.start();
    for (const way of ["toServer", "toClient"] as const) {
      const [client, server] = await streams.connect();
      const [from, to] = way === "toServer" ? [client, server] : [server, client];
      from.send(50);
      await waitFor(() => to.received === 50);
      streams.relay.set({ [way]: { kind: "cut", afterBytes: 30, how } });
      from.send(100);
      // As soon as the cut has begun; with a reset it takes another 20 ms.
      const [connection] = streams.relay.connections;
      await waitFor(() => connection![way].counts.received === 150, { everyMs: 0 });
      streams.relay.heal();
      await sendFor(from, 60);
      await waitFor(() => client.socket.destroyed, { what: "the end of the client" });
      assert(to.received <= 80, `${to.received} bytes came, the cut was after 80`);
      assertEquals(to.wrongAt, undefined);
    }
  });
}

Deno.test("FaultProxy that dropped bytes lets no later ones pass, but the end", async () => {
  await using streams = await Streams.start();
  const [client, server] = await streams.connect();
  streams.relay.set({ toServer: { kind: "swallow" } });
  client.send(10);
  await waitFor(() => streams.relay.connections[0]!.toServer.counts.received === 10);
  streams.relay.heal();
  client.send(10);
  server.send(10);
  await waitFor(() => client.received === 10, { what: "the other way, which passes" });
  await waitFor(() => streams.relay.connections[0]!.toServer.counts.received === 20);
  const ended = new Promise((resolve) => server.socket.on("end", resolve));
  client.socket.end();
  await ended;
  assertEquals(server.received, 0);
});

Deno.test("FaultProxy cuts behind bytes that are late, not before them", async () => {
  await using streams = await Streams.start();
  const [client, server] = await streams.connect();
  streams.relay.set({ toServer: { kind: "delay", ms: 80 } });
  client.send(1000);
  await waitFor(() => streams.relay.connections[0]!.toServer.counts.received === 1000);
  streams.relay.set({ toServer: { kind: "cut", afterBytes: 7, how: "end" } });
  client.send(100);
  await waitFor(() => client.socket.destroyed || client.socket.readableEnded);
  await waitFor(() => server.received > 0);
  assertEquals([server.received, server.wrongAt], [1007, undefined]);
});
