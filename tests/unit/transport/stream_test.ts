import { assertEquals } from "@std/assert";
import type { ByteChannel, ChannelHandlers } from "../../../src/transport/channel.ts";
import { ConnectionStream } from "../../../src/transport/stream.ts";

/** A channel that keeps what it is given. */
class FakeChannel implements ByteChannel {
  readonly keepalive = "on";
  readonly kernelKeepalive = null;
  readonly tls = null;
  readonly localPort = 1;
  readonly bytesWritten = 0;
  bufferedBytes = 0;
  readonly written: (string | Uint8Array)[] = [];
  handlers: ChannelHandlers | undefined;
  isDestroyed = false;

  start(handlers: ChannelHandlers): void {
    this.handlers = handlers;
  }
  write(data: string | Uint8Array): void {
    this.written.push(data);
  }
  end(): void {}
  destroy(): void {
    this.isDestroyed = true;
  }
}

Deno.test("ConnectionStream is congested from 64 MiB of unsent bytes until none is left", () => {
  const channel = new FakeChannel();
  const stream = new ConnectionStream(channel, {});
  const seen = [0, 64, 65, 64, 1, 0, 64].map((mebibytes) => {
    channel.bufferedBytes = mebibytes * 1024 * 1024;
    return stream.congested;
  });
  assertEquals(seen, [false, false, true, true, true, false, false]);
});

Deno.test("ConnectionStream calls the hooks of its new owner, and no longer those of the old one", async () => {
  const told: string[] = [];
  const owner = (name: string) => ({
    inspect: () => void told.push(`${name} inspects`),
    received: (bytes: number) => void told.push(`${name} received ${bytes}`),
    closing: () => void told.push(`${name} closing`),
  });
  const channel = new FakeChannel();
  const stream = new ConnectionStream(channel, owner("first"));
  stream.resume();
  channel.handlers!.data(new Uint8Array(3));
  stream.handTo(owner("second"));
  channel.handlers!.data(new Uint8Array(4));
  stream.destroy();
  await null;
  assertEquals(told, [
    "first inspects",
    "first received 3",
    "second inspects",
    "second received 4",
    "second closing",
  ]);
});

Deno.test("ConnectionStream.destroy() writes nothing of what is held, and counts it", async () => {
  const channel = new FakeChannel();
  const stream = new ConnectionStream(channel, {});
  // The first of a small tick goes out at once.
  for (const text of ["a", "b", "c"]) stream.write(text);
  stream.destroy();
  stream.write("d");
  await null;
  assertEquals([channel.written, stream.unsentCommands], [["a"], 3]);
});

Deno.test("ConnectionStream keeps no wrapper of a listener that is called once", async () => {
  const stream = new ConnectionStream(new FakeChannel(), {});
  let closes = 0;
  const listener = () => void closes++;
  stream.once("close", listener);
  assertEquals(stream.rawListeners("close"), [listener]);
  stream.destroy();
  await null;
  assertEquals([closes, stream.listenerCount("close")], [1, 0]);
  let chunks = 0;
  stream.once("data", () => chunks++);
  for (let i = 0; i < 2; i++) stream.emit("data", new Uint8Array(1));
  assertEquals(chunks, 1);
});
