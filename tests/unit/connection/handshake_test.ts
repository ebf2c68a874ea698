import { Buffer } from "node:buffer";
import { assertEquals, assertRejects } from "@std/assert";
import {
  ClosedAtHello,
  ClosedBeforeReply,
} from "../../../src/connection/connect_failure.ts";
import { performHandshake } from "../../../src/connection/handshake.ts";
import { whyNotServing } from "../../../src/connection/readiness.ts";
import { systemClock } from "../../../src/core/clock.ts";
import type { ByteChannel, ChannelHandlers } from "../../../src/transport/channel.ts";
import { DEFAULT_REPLY_LIMITS } from "../../../src/transport/reply_types.ts";

const OPTIONS = {
  database: "main",
  db: 0,
  keyPrefix: "",
  silenceLimitMs: 1000,
  replyLimits: DEFAULT_REPLY_LIMITS,
  clock: systemClock,
  observer: { answered: () => {}, blockingAnswered: () => {}, troubled: () => {} },
};
const ENDPOINT = { host: "127.0.0.1", port: 1 } as const;

/** A channel whose server says something to the first command, and closes. */
class Closer implements ByteChannel {
  readonly keepalive = "heartbeat";
  readonly kernelKeepalive = null;
  readonly tls = null;
  readonly bufferedBytes = 0;
  readonly bytesWritten = 0;
  readonly localPort = 0;
  isDestroyed = false;
  protected handlers: ChannelHandlers | undefined;

  constructor(readonly word: string) {}

  start(handlers: ChannelHandlers): void {
    this.handlers = handlers;
  }

  write(_data: string | Uint8Array): void {
    queueMicrotask(() => {
      if (this.word !== "") this.handlers?.data(new TextEncoder().encode(this.word));
      this.handlers?.close(undefined);
    });
  }

  end(): void {}

  destroy(): void {
    this.isDestroyed = true;
  }
}

/** A signal, and how many listeners it has. */
function countedSignal() {
  const { signal } = new AbortController();
  const { addEventListener, removeEventListener } = signal;
  const counted = { signal, listeners: 0 };
  Object.assign(signal, {
    addEventListener(...args: Parameters<typeof addEventListener>) {
      counted.listeners++;
      addEventListener.apply(signal, args);
    },
    removeEventListener(...args: Parameters<typeof removeEventListener>) {
      counted.listeners--;
      removeEventListener.apply(signal, args);
    },
  });
  return counted;
}

for (
  const [how, word, kind] of [
    ["closes", "", ClosedBeforeReply],
    ["refuses HELLO and closes", "-ERR unknown command\r\n", ClosedAtHello],
  ] as const
) {
  // The attempt may go on without HELLO, and its connection live for long: a listener
  // would keep the dead one.
  Deno.test(`performHandshake() leaves no listener on its signal when the server ${how}`, async () => {
    const counted = countedSignal();
    const channel = new Closer(word);
    const options = { ...OPTIONS, openChannel: () => Promise.resolve(channel) };
    await assertRejects(
      () => performHandshake(options, ENDPOINT, "a", counted.signal),
      kind,
    );
    assertEquals([counted.listeners, channel.isDestroyed], [0, true]);
  });
}

/** A channel whose server answers nothing before it has received a PING. */
class Late extends Closer {
  #received = "";

  override write(data: string | Uint8Array): void {
    this.#received += typeof data === "string" ? data : new TextDecoder().decode(data);
    if (!/\r\nping\r\n/i.test(this.#received)) return;
    queueMicrotask(() => this.handlers?.data(Buffer.from(this.word)));
  }
}

Deno.test("performHandshake() sends HELLO, the names and PING without waiting in between", async () => {
  const channel = new Late(
    "%1\r\n+proto\r\n:3\r\n+OK\r\n+OK\r\n+OK\r\n-LOADING wait\r\n",
  );
  const options = { ...OPTIONS, openChannel: () => Promise.resolve(channel) };
  const { signal } = new AbortController();
  const link = await performHandshake(options, ENDPOINT, "a", signal);
  assertEquals(await whyNotServing(link.ping), "LOADING");
  link.connect().close({ kind: "closed", text: "the test is over" });
});
