import type { ByteChannel } from "../transport/channel.ts";

/** Most of what a server says unasked that is kept, in bytes. */
const MOST_BYTES = 512;

/**
 * Listens to what a server says before it is spoken to, then closes. A server that turns
 * a client away says why and closes; who speaks at once gets a reset in place of that.
 *
 * @param channel An open channel, not started.
 * @param signal Ends the listening.
 * @returns The text of an error reply, or `undefined` if none came.
 */
export function overhear(
  channel: ByteChannel,
  signal: AbortSignal,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = "";
    const decoder = new TextDecoder();
    const done = () => {
      signal.removeEventListener("abort", done);
      channel.destroy();
      resolve(/^-([^\r\n]+)/.exec(text)?.[1]);
    };
    signal.addEventListener("abort", done, { once: true });
    channel.start({
      data: (chunk) => {
        text += decoder.decode(chunk.subarray(0, MOST_BYTES), { stream: true });
        if (text.includes("\n") || text.length >= MOST_BYTES) done();
      },
      drain: () => {},
      close: done,
    });
    if (signal.aborted) done();
  });
}
