import { Buffer } from "node:buffer";
import { assert, assertEquals, assertGreater } from "@std/assert";
import { RedisConnectionManager } from "../../../mod.ts";
import type { Address } from "../../../src/core/address.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import type { ByteChannel } from "../../../src/transport/channel.ts";
import { openNodeChannel } from "../../../src/transport/node_channel.ts";
import { Random } from "../../support/random.ts";

const SEED = Number(Deno.env.get("MOORING_TEST_SEED") ?? 7);
const PING = "*1\r\n$4\r\nPING\r\n";

/** A channel of which only the place in memory matters where its chunks come. */
class PlacedChannel {
  readonly #channel: ByteChannel;
  readonly #place = Promise.withResolvers<string>();
  readonly #closed = Promise.withResolvers<void>();

  private constructor(channel: ByteChannel) {
    this.#channel = channel;
    channel.start({
      data: (chunk) => this.#place.resolve(`${idOf(chunk.buffer)}+${chunk.byteOffset}`),
      close: (error) => {
        this.#place.reject(error ?? new Error("closed"));
        this.#closed.resolve();
      },
    });
  }

  static async open(endpoint: Address): Promise<PlacedChannel> {
    const { signal } = new AbortController();
    return new PlacedChannel(await openNodeChannel(endpoint, { signal }));
  }

  /** Where its chunks come. */
  async place(): Promise<string> {
    this.#channel.write(PING);
    return await this.#place.promise;
  }

  /** Closes it; resolves when the runtime says that it is closed. */
  async close(): Promise<void> {
    this.#channel.destroy();
    await this.#closed.promise;
  }
}

const ids = new Map<ArrayBufferLike, number>();

function idOf(memory: ArrayBufferLike): number {
  if (!ids.has(memory)) ids.set(memory, ids.size);
  return ids.get(memory)!;
}

Deno.test("no two open sockets read into the same memory, and that of a closed one is reused", async () => {
  await using server = await RedisServer.start();
  const endpoint = { host: server.host, port: server.port } as const;
  const seen: string[][] = [];
  for (let time = 0; time < 3; time++) {
    const channels: PlacedChannel[] = [];
    for (let i = 0; i < 40; i++) channels.push(await PlacedChannel.open(endpoint));
    const places = await Promise.all(channels.map((channel) => channel.place()));
    assertEquals(new Set(places).size, places.length, places.join(" "));
    seen.push(places.sort());
    await Promise.all(channels.map((channel) => channel.close()));
  }
  // On Deno 2.8 the runtime takes memory for each read.
  if (!Deno.version.deno.startsWith("2.8.")) {
    assertEquals(seen, [seen[0], seen[0], seen[0]]);
  }
});

/** Sizes around those at which something changes: reads, assemblies, decoders. */
const SIZES = [1, 17, 255, 256, 4096, 16_383, 16_384, 65_535, 65_536, 131_073, 600_000];
const HUGE = 4 * 1024 * 1024;
/** Keys of each size. */
const ALIKE = 4;

/** A value that tells its key: no two parts of two values are alike. */
function valueOf(server: number, key: number, bytes: number): Buffer {
  return Buffer.alloc(bytes, Buffer.from(`${server}·${key};é漢`));
}

/** What may keep a read from its value, where connections are cut: never another value. */
function isCut(error: unknown): boolean {
  return error instanceof Error && "code" in error;
}

Deno.test("64 connections that are read, paused and closed at once give each reader its own replies", async () => {
  const random = new Random(SEED);
  const servers = [await RedisServer.start(), await RedisServer.start()];
  await using stack = new AsyncDisposableStack();
  for (const server of servers) stack.use(server);
  const values = servers.map((_, server) =>
    [
      ...Array.from({ length: SIZES.length * ALIKE }, (_, i) => SIZES[i % SIZES.length]!),
      HUGE,
    ]
      .map((bytes, key) => valueOf(server, key, bytes))
  );
  // Two managers on each server, each with a lane and fifteen leases.
  const readers: { manager: RedisConnectionManager; server: number }[] = [];
  for (const [at, { host, port }] of [...servers, ...servers].entries()) {
    const databases = { main: { db: 0, maxConnections: 20 } };
    const manager = new RedisConnectionManager({ host, port, databases });
    stack.use(manager);
    readers.push({ manager, server: at % servers.length });
  }
  for (const [at, all] of values.entries()) {
    const client = readers[at]!.manager.getClient("main");
    await Promise.all(all.map((value, key) => client.set(`k${key}`, value)));
  }
  const kept: [expected: Buffer, found: Buffer][] = [];
  let answered = 0;
  let heard = 0;
  let cuts = 0;
  const readOnce = async (at: number, isLease: boolean) => {
    const { manager, server } = readers[at]!;
    const all = values[server]!;
    const key = random.below(60) === 0 ? all.length - 1 : random.below(all.length - 1);
    const [expected, other] = [all[key]!, random.below(all.length - 1)];
    const check = (found: unknown, wanted: Buffer) => {
      const isRight = Buffer.isBuffer(found)
        ? found.equals(wanted)
        : found === wanted.toString();
      assert(isRight, `seed ${SEED}: a value that is not that of k${key}`);
      if (Buffer.isBuffer(found)) kept.push([wanted, found]);
    };
    const lease = isLease ? await manager.acquire("main") : undefined;
    const client = lease?.client ?? manager.getClient("main");
    try {
      switch (random.below(5)) {
        case 0:
          return check(await client.get(`k${key}`), expected);
        case 1:
          return check(await client.getBuffer(`k${key}`), expected);
        case 2: {
          const found = await client.mget(`k${key}`, "none", `k${other}`);
          check(found[0], expected);
          return check(found[2], all[other]!);
        }
        case 3: {
          const pipeline = client.pipeline().get(`k${key}`).getBuffer(`k${other}`);
          const [first, second] = (await pipeline.exec())!;
          if (first![0] ?? second![0]) throw first![0] ?? second![0];
          check(first![1], expected);
          return check(second![1], all[other]!);
        }
        default: {
          const reading = Promise.all([client.get(`k${key}`), client.get(`k${other}`)]);
          if (lease !== undefined && random.below(4) === 0) lease.client.disconnect();
          const [one, two] = await reading;
          check(one, expected);
          return check(two, all[other]!);
        }
      }
    } finally {
      if (lease?.released === false) lease.release();
    }
  };
  const read = async (at: number, isLease: boolean) => {
    for (let n = 0; n < 12; n++) {
      try {
        await readOnce(at, isLease);
        answered++;
      } catch (error) {
        if (!isCut(error)) throw error;
        cuts++;
      }
      // Nobody reads meanwhile: buffers of the kernel fill, and sockets are paused.
      if (random.below(40) === 0) block(70);
    }
  };
  const subscriptions = await Promise.all(
    readers.map(({ manager, server }) =>
      manager.subscribe("main", ["news"], (message) => {
        assertEquals(message, values[server]![7]!.toString());
        heard++;
      })
    ),
  );
  try {
    await Promise.all([
      ...readers.flatMap((_, at) =>
        Array.from({ length: 16 }, (_, i) => read(at, i > 0))
      ),
      ...readers.map(async ({ manager, server }) => {
        for (let n = 0; n < 5; n++) {
          await manager.getClient("main").publish("news", values[server]![7]!);
        }
      }),
    ]);
    assertGreater(cuts, 5);
  } finally {
    for (const subscription of subscriptions) await subscription.unsubscribe();
  }
  // What was given out is nobody else's memory, whatever was read since.
  for (const [expected, found] of kept) assert(found.equals(expected), `seed ${SEED}`);
  assertGreater(answered, 500);
  assertEquals(heard, 4 * 2 * 5);
});

function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}
