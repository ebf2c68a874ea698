import type { ByteChannel } from "../transport/channel.ts";

/** Most of what a server says that is kept, in bytes. */
const MOST_BYTES = 512;

/** What a server said first, and how its channel ended, if it did. */
export interface FirstLine {
  /** The first line, or what there was of it; empty if it said nothing. */
  readonly text: string;
  /** Why the channel ended. */
  readonly error: Error | undefined;
}

/**
 * Listens to the first line that a server says, and closes the channel.
 *
 * @param channel An open channel, not started.
 * @param signal Ends the listening.
 * @param say What it is told first. Default: nothing.
 * @returns What it said.
 */
export function firstLine(
  channel: ByteChannel,
  signal: AbortSignal,
  say = "",
): Promise<FirstLine> {
  return new Promise((resolve) => {
    let text = "";
    const decoder = new TextDecoder();
    const finish = (error?: Error) => {
      signal.removeEventListener("abort", stop);
      channel.destroy();
      resolve({ text: text.split(/[\r\n]/, 1)[0]!, error });
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
    else if (say !== "") channel.write(say);
  });
}

/**
 * Listens to what a server says before it is spoken to, then closes. A server that turns
 * a client away says why and closes; who speaks at once gets a reset in place of that.
 *
 * @param channel An open channel, not started.
 * @param signal Ends the listening.
 * @returns What the server said, as an error; `undefined` if it said nothing.
 */
export async function overhear(
  channel: ByteChannel,
  signal: AbortSignal,
): Promise<Error | undefined> {
  const { text } = await firstLine(channel, signal);
  return text.startsWith("-") ? new Error(text.slice(1)) : undefined;
}
