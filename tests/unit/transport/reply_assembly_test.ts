import { Buffer } from "node:buffer";
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { ReplyCheck } from "../../../src/connection/reply_check.ts";
import type { ByteChannel, ChannelHandlers } from "../../../src/transport/channel.ts";
import { ReplyAssembly } from "../../../src/transport/reply_assembly.ts";
import { ConnectionStream } from "../../../src/transport/stream.ts";
import { Random } from "../../support/random.ts";

const SEED = Number(Deno.env.get("MOORING_TEST_SEED") ?? 7);

/** A channel whose chunks the test gives. */
class GivenChannel implements ByteChannel {
  readonly keepalive = "heartbeat";
  readonly kernelKeepalive = null;
  readonly tls = null;
  readonly bufferedBytes = 0;
  readonly bytesWritten = 0;
  readonly localPort = 0;
  handlers: ChannelHandlers | undefined;
  constructor(readonly lendsChunks: boolean) {}
  start(handlers: ChannelHandlers): void {
    this.handlers = handlers;
  }
  write(): void {}
  end(): void {}
  destroy(): void {}
}

/** Gives chunks to a stream; what its parser got, piece by piece. */
function deliver(chunks: readonly Buffer[], lends: boolean): Buffer[] {
  const channel = new GivenChannel(lends);
  const replies = new ReplyCheck();
  const stream = new ConnectionStream(channel, {
    inspect: (chunk) => {
      replies.inspect(chunk);
      return replies.openBulk;
    },
  });
  const pieces: Buffer[] = [];
  stream.on("data", (piece: Buffer) => pieces.push(piece));
  stream.resume();
  const shared = Buffer.alloc(Math.max(...chunks.map(({ length }) => length)));
  for (const chunk of chunks) {
    if (!lends) {
      channel.handlers!.data(chunk);
      continue;
    }
    chunk.copy(shared);
    channel.handlers!.data(shared.subarray(0, chunk.length));
    // What was lent is overwritten by the next read, of whichever socket.
    shared.fill(0xff);
  }
  return pieces;
}

function bulk(random: Random, bytes: number): Buffer {
  const body = Buffer.from(Array.from({ length: 64 }, () => random.below(256)));
  const value = Buffer.alloc(bytes, body);
  return Buffer.concat([Buffer.from(`$${bytes}\r\n`), value, Buffer.from("\r\n")]);
}

function randomReply(random: Random): Buffer {
  switch (random.below(8)) {
    case 0:
      return Buffer.from("+OK\r\n");
    case 1:
      return Buffer.from(":42\r\n");
    case 2:
      return Buffer.from("-ERR no\r\n");
    case 3:
      return Buffer.from("$-1\r\n");
    case 4: {
      const items = Array.from(
        { length: random.between(1, 4) },
        () => bulk(random, random.below(60_000)),
      );
      return Buffer.concat([Buffer.from(`*${items.length}\r\n`), ...items]);
    }
    case 5:
      return bulk(random, random.below(20));
    default:
      return bulk(random, random.below(200_000));
  }
}

function cut(bytes: Buffer, random: Random): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const most = random.pick([1, 20, 1000, 16_384, 65_536, 131_072]);
    const end = Math.min(bytes.length, at + random.between(1, most));
    chunks.push(bytes.subarray(at, end));
    at = end;
  }
  return chunks;
}

for (const lends of [false, true]) {
  const how = lends ? "lent" : "given";
  Deno.test(`a stream gives its parser the very bytes of random replies in random chunks, ${how}`, () => {
    const random = new Random(SEED);
    let whole = 0;
    for (let run = 0; run < 60; run++) {
      const replies = Array.from(
        { length: random.between(1, 8) },
        () => randomReply(random),
      );
      const bytes = Buffer.concat(replies);
      const pieces = deliver(cut(bytes, random), lends);
      assert(Buffer.concat(pieces).equals(bytes), `seed ${SEED}, run ${run}`);
      const large = new Set(replies.filter(({ length }) => length > 150_000).map(String));
      whole += pieces.filter((piece) => large.has(String(piece))).length;
    }
    assert(whole > 10, `${whole} large replies came in one piece`);
  });
}

Deno.test("ReplyAssembly.begin() leaves small, huge and earlier replies to the parser", () => {
  const chunk = Buffer.alloc(100);
  for (
    const [seen, missing] of [[50, 100], [50, 2 ** 29], [101, 100_000]] as const
  ) assertEquals(ReplyAssembly.begin(chunk, { seen, missing }), undefined);
  const assembly = ReplyAssembly.begin(chunk, { seen: 100, missing: 20_000 })!;
  assertEquals(assembly.whole, undefined);
  const rest = assembly.take(Buffer.alloc(20_003, "x"));
  assertEquals([rest.length, assembly.whole!.length], [3, 20_100]);
  assertStrictEquals(assembly.whole, assembly.whole);
});
