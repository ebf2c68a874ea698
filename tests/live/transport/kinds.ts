import type { Address } from "../../../src/core/address.ts";
import type {
  ByteChannel,
  ChannelOptions,
  OpenChannel,
} from "../../../src/transport/channel.ts";
import { openDenoChannel } from "../../../src/transport/deno_channel.ts";
import { openNodeChannel } from "../../../src/transport/node_channel.ts";

/** Both kinds of channels: the same tests are run over each. */
export const KINDS: readonly (readonly ["node" | "deno", OpenChannel])[] = [
  ["node", openNodeChannel],
  ["deno", openDenoChannel],
];

/** A channel that collects what comes; closed when it goes out of scope. */
export class TestChannel implements AsyncDisposable {
  readonly channel: ByteChannel;
  /** What came, as text. */
  received = "";
  /** How often it closed. */
  closes = 0;
  /** Resolves with the error when it has closed. */
  readonly closed: Promise<Error | undefined>;
  #notify = () => {};

  constructor(channel: ByteChannel) {
    this.channel = channel;
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.closed = promise;
    const decoder = new TextDecoder();
    channel.start({
      data: (chunk) => {
        this.received += decoder.decode(chunk, { stream: true });
        this.#notify();
      },
      close: (error) => {
        this.closes++;
        resolve(error);
        this.#notify();
      },
    });
  }

  /** Opens one that has 5 seconds. */
  static async open(
    openChannel: OpenChannel,
    endpoint: Address,
    options: Omit<ChannelOptions, "signal"> = {},
  ): Promise<TestChannel> {
    const { signal } = new AbortController();
    return new TestChannel(await openChannel(endpoint, { ...options, signal }));
  }

  /** Waits until as many characters have come, or it has closed. */
  async receive(length: number): Promise<string> {
    while (this.received.length < length && this.closes === 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#notify = resolve;
      await promise;
    }
    return this.received;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.channel.destroy();
    await this.closed;
  }
}
