/**
 * Sockets that write a command and count the bytes of its reply: they parse no reply, look
 * at none and make nothing of it. What they reach is what the runtime allows.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { connect } from "node:net";
import type { Speaker } from "../speed/rivals.ts";

const encoder = new TextEncoder();

/** Bytes that are read at once: what node:net reads too. */
const READ_BYTES = 64 * 1024;

/** Counts the bytes of replies, all of one length, and settles who waits for them. */
class ReplyCounter {
  readonly #waiting: { bytes: number; settle: (value?: unknown) => void }[] = [];
  #at = 0;
  #left = 0;

  /** Waits for so many bytes behind those that are waited for already. */
  expect(bytes: number): Promise<unknown> {
    return new Promise((settle) => this.#waiting.push({ bytes, settle }));
  }

  /** Bytes have come. */
  take(bytes: number): void {
    this.#left += bytes;
    let next = this.#waiting[this.#at];
    while (next !== undefined && this.#left >= next.bytes) {
      this.#left -= next.bytes;
      next.settle();
      next = this.#waiting[++this.#at];
    }
    if (this.#at < 1024) return;
    this.#waiting.splice(0, this.#at);
    this.#at = 0;
  }
}

/** How long the reply is to a GET of a value of so many bytes. */
function replyBytes(valueBytes: number): number {
  return String(valueBytes).length + valueBytes + 5;
}

function speak(
  counter: ReplyCounter,
  write: (data: string | Uint8Array) => void,
  close: () => unknown,
): Speaker {
  const get = (key: string) => {
    write(`*2\r\n$3\r\nGET\r\n$${key.length}\r\n${key}\r\n`);
    // Keys end in the length of their values.
    return counter.expect(replyBytes(Number(key.slice(key.lastIndexOf(":") + 1))));
  };
  return {
    get,
    getBuffer: get,
    set: (key, value) => {
      const head = `*3\r\n$3\r\nSET\r\n$${key.length}\r\n${key}\r\n$${value.length}\r\n`;
      if (typeof value === "string") write(`${head}${value}\r\n`);
      else {
        write(head);
        write(value);
        write("\r\n");
      }
      return counter.expect("+OK\r\n".length);
    },
    close,
  };
}

/** A socket of node:net, as most clients use it. */
export async function openNodeSocket(url: string): Promise<Speaker> {
  const { hostname: host, port } = new URL(url);
  const socket = connect({ host, port: Number(port || 6379), noDelay: true });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve).once("error", reject);
  });
  const counter = new ReplyCounter();
  socket.on("data", (chunk) => counter.take(chunk.length));
  let pending: (string | Uint8Array)[] = [];
  const flush = () => {
    const parts = pending;
    pending = [];
    if (parts.length === 1) return socket.write(parts[0]!);
    socket.cork();
    for (const part of parts) socket.write(part);
    socket.uncork();
  };
  return speak(
    counter,
    (data) => {
      if (pending.push(data) === 1) queueMicrotask(flush);
    },
    () => socket.destroy(),
  );
}

/** A socket of Deno's own, read into one buffer again and again. */
export async function openDenoSocket(url: string): Promise<Speaker> {
  const { hostname, port } = new URL(url);
  const conn = await Deno.connect({ hostname, port: Number(port || 6379) });
  conn.setNoDelay(true);
  const counter = new ReplyCounter();
  let isOpen = true;
  void (async () => {
    const buffer = new Uint8Array(READ_BYTES);
    while (isOpen) {
      const count = await conn.read(buffer).catch(() => null);
      if (count === null) return;
      counter.take(count);
    }
  })();
  let pending: Uint8Array[] = [];
  let isWriting = false;
  const flush = async () => {
    isWriting = true;
    while (pending.length > 0) {
      let data: Uint8Array = pending.length === 1 ? pending[0]! : Buffer.concat(pending);
      pending = [];
      while (data.length > 0) data = data.subarray(await conn.write(data));
    }
    isWriting = false;
  };
  return speak(
    counter,
    (data) => {
      pending.push(typeof data === "string" ? encoder.encode(data) : data);
      if (pending.length === 1 && !isWriting) queueMicrotask(() => void flush());
    },
    () => {
      isOpen = false;
      conn.close();
    },
  );
}
