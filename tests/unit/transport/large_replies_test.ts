import { Buffer } from "node:buffer";
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import type { ByteChannel, ChannelHandlers } from "../../../src/transport/channel.ts";
import { ReplyGuard } from "../../../src/transport/reply_guard.ts";
import { ConnectionStream, ReplyAssembly } from "../../../src/transport/stream.ts";
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
function deliver(
  chunks: readonly Buffer[],
  lends: boolean,
  decodesNext: () => boolean = () => false,
  onPiece: (piece: Buffer) => void = () => {},
): Buffer[] {
  const channel = new GivenChannel(lends);
  const replies = new ReplyGuard();
  const stream = new ConnectionStream(channel, {
    inspect: (chunk) => {
      replies.inspect(chunk);
      return replies.openBulk;
    },
    decodesNext,
  });
  const pieces: Buffer[] = [];
  stream.on("data", (piece: Buffer) => {
    onPiece(piece);
    pieces.push(piece);
  });
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
  Deno.test(`a stream passes the exact bytes of random replies in random chunks to its parser, ${how}`, () => {
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

Deno.test("a reply whose bytes are not kept is collected in the memory of the last one", () => {
  const bytes = bulk(new Random(SEED), 100_000);
  const chunks = [bytes.subarray(0, 60_000), bytes.subarray(60_000)];
  const [kept] = deliver(chunks, true);
  assert(kept!.equals(bytes));
  const seen: Buffer[] = [];
  const copies: boolean[] = [];
  for (let i = 0; i < 2; i++) {
    const [piece] = deliver(chunks, true, () => true, (given) => {
      copies.push(given.equals(bytes));
    });
    seen.push(piece!);
  }
  assertEquals(copies, [true, true], "right while the parser has them");
  assertStrictEquals(seen[0]!.buffer, seen[1]!.buffer);
  assert(
    kept!.buffer !== seen[0]!.buffer && kept!.equals(bytes),
    "others are left alone",
  );
  // Where the answer changes meanwhile, the parser gets a copy.
  let asked = 0;
  const [copy] = deliver(chunks, true, () => asked++ === 0);
  assertEquals(asked, 2);
  assert(copy!.buffer !== seen[0]!.buffer && copy!.equals(bytes));
});

Deno.test("ReplyAssembly.isFor() leaves small and huge replies to the parser", () => {
  for (
    const [seen, missing, expected] of [
      [50, 100, false],
      [50, 2 ** 29, false],
      [100, 20_000, true],
      [20_000, 2, true],
    ] as const
  ) assertEquals(ReplyAssembly.isFor({ seen, missing }), expected);
  const assembly = new ReplyAssembly({ seen: 100, missing: 20_000 }, false);
  assertEquals(assembly.take(Buffer.alloc(100)).length, 0);
  assertEquals(assembly.whole, undefined);
  const rest = assembly.take(Buffer.alloc(20_003, "x"));
  assertEquals([rest.length, assembly.whole!.length], [3, 20_100]);
});
