import type { ByteChannel } from "../transport/channel.ts";

/** Most of what a server says unasked that is kept, in bytes. */
const MOST_BYTES = 512;

/**
 * Listens to what a server says before it is spoken to, then closes. A server that turns
 * a client away says why and closes; who speaks at once gets a reset in place of that.
 *
 * @param channel An open channel, not started.
 * @param signal Ends the listening.
 * @returns What the server said, as an error, or why the channel ended; `undefined` if
 * neither came to be known.
 */
export function overhear(
  channel: ByteChannel,
  signal: AbortSignal,
): Promise<Error | undefined> {
  return new Promise((resolve) => {
    let text = "";
    const decoder = new TextDecoder();
    const finish = (error?: Error) => {
      signal.removeEventListener("abort", stop);
      channel.destroy();
      const said = /^-([^\r\n]+)/.exec(text)?.[1];
      resolve(said === undefined ? error : new Error(said));
    };
    const stop = () => finish();
    signal.addEventListener("abort", stop, { once: true });
    channel.start({
      data: (chunk) => {
        text += decoder.decode(chunk.subarray(0, MOST_BYTES), { stream: true });
        if (text.includes("\n") || text.length >= MOST_BYTES) finish();
      },
      close: finish,
    });
    if (signal.aborted) finish();
  });
}
