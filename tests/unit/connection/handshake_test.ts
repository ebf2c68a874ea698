import { assertEquals, assertRejects } from "@std/assert";
import {
  ClosedAtHello,
  ClosedBeforeReply,
} from "../../../src/connection/connect_failure.ts";
import { performHandshake } from "../../../src/connection/handshake.ts";
import { systemClock } from "../../../src/core/clock.ts";
import type { ByteChannel, ChannelHandlers } from "../../../src/transport/channel.ts";
import { DEFAULT_REPLY_LIMITS } from "../../../src/transport/reply_types.ts";

/** A channel whose server says something to the first command, and closes. */
class Closer implements ByteChannel {
  readonly keepalive = "heartbeat";
  readonly kernelKeepalive = null;
  readonly tls = null;
  readonly bufferedBytes = 0;
  readonly bytesWritten = 0;
  readonly localPort = 0;
  isDestroyed = false;
  #handlers: ChannelHandlers | undefined;

  constructor(readonly word: string) {}

  start(handlers: ChannelHandlers): void {
    this.#handlers = handlers;
  }

  write(): void {
    queueMicrotask(() => {
      if (this.word !== "") this.#handlers?.data(new TextEncoder().encode(this.word));
      this.#handlers?.close(undefined);
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
    const options = {
      database: "main",
      db: 0,
      keyPrefix: "",
      silenceLimitMs: 1000,
      replyLimits: DEFAULT_REPLY_LIMITS,
      openChannel: () => Promise.resolve(channel),
      clock: systemClock,
      observer: { answered: () => {}, blockingAnswered: () => {}, troubled: () => {} },
    };
    const endpoint = { kind: "tcp", host: "127.0.0.1", port: 1 } as const;
    await assertRejects(
      () => performHandshake(options, endpoint, "a", counted.signal),
      kind,
    );
    assertEquals([counted.listeners, channel.isDestroyed], [0, true]);
  });
}
