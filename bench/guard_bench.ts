/**
 * What the reply guard costs on top of the parser: every chunk passes it. Each group
 * scans 64 KiB chunks; `ns/reply` is the time of an iteration divided by the replies in
 * it, which stand in the name. Run: `deno bench bench/guard_bench.ts`.
 */
import { ReplyGuard } from "../src/transport/reply_guard.ts";

const CHUNK_BYTES = 64 * 1024;
const encoder = new TextEncoder();

/** As many whole replies as fit one chunk; `per` is how many replies `text` holds. */
function chunkOf(text: string, per = 1): { chunk: Uint8Array; replies: number } {
  const times = Math.floor(CHUNK_BYTES / encoder.encode(text).length);
  return { chunk: encoder.encode(text.repeat(times)), replies: times * per };
}

function bench(name: string, text: string, options: { baseline?: boolean } = {}): void {
  const { chunk, replies } = chunkOf(text);
  const guard = new ReplyGuard();
  Deno.bench({
    name: `${name}: ${replies} replies, ${chunk.length} bytes`,
    group: "scan of 64 KiB",
    ...options,
    fn() {
      if (guard.scan(chunk) !== replies) throw new Error("The guard miscounted");
    },
  });
}

const list = (n: number, item: string) => `*${n}\r\n${item.repeat(n)}`;

bench("GET of 100 bytes", `$100\r\n${"x".repeat(100)}\r\n`, { baseline: true });
bench("GET of 1 KiB", `$1024\r\n${"x".repeat(1024)}\r\n`);
bench("GET of 10 bytes", `$10\r\n0123456789\r\n`);
bench("INCR", ":12345\r\n");
bench("SET", "+OK\r\n");
bench("GET of nothing", "_\r\n");
bench("MGET of 10", list(10, "$5\r\nhello\r\n"));
bench("HGETALL of 5 pairs", "%5\r\n" + "$3\r\nkey\r\n$5\r\nvalue\r\n".repeat(5));
bench("errors", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");

const message = ">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n";
const pushed = chunkOf(message);
const subscriber = new ReplyGuard();
Deno.bench({
  name: `messages: ${pushed.replies} push frames, ${pushed.chunk.length} bytes`,
  group: "scan of 64 KiB",
  fn() {
    if (subscriber.scan(pushed.chunk) !== 0) throw new Error("The guard miscounted");
  },
});
