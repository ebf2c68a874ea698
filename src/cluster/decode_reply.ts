const decoder = new TextDecoder();

/**
 * Turns the bytes in a raw reply into text, at every depth.
 *
 * @param reply The reply, as the parser gives it.
 * @returns The same with texts.
 *
 * @example Usage
 * ```ts
 * import { decodeReply } from "./decode_reply.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(decodeReply([new Uint8Array([97]), [1, null]]), ["a", [1, null]]);
 * ```
 */
export function decodeReply(reply: unknown): unknown {
  if (reply instanceof Uint8Array) return decoder.decode(reply);
  if (Array.isArray(reply)) return reply.map(decodeReply);
  if (typeof reply === "object" && reply?.constructor === Object) {
    const fields = Object.entries(reply);
    return new Map(fields.map(([key, value]) => [key, decodeReply(value)]));
  }
  if (!(reply instanceof Map)) return reply;
  return new Map([...reply].map(([key, value]) => [
    decodeReply(key),
    decodeReply(value),
  ]));
}
