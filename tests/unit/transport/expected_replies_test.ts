import { assertThrows } from "@std/assert";
import { InvalidReplyError, ReplyGuard } from "../../../src/transport/reply_guard.ts";

const encoder = new TextEncoder();
const CONFIRMATION = ">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n";

function check(expected: number): ReplyGuard {
  const replies = new ReplyGuard();
  replies.inspect(encoder.encode("+the handshake's\r\n"));
  replies.startCounting();
  for (let i = 0; i < expected; i++) replies.expectReply();
  return replies;
}

function refuses(replies: ReplyGuard, text: string, reason: string): void {
  assertThrows(() => replies.inspect(encoder.encode(text)), InvalidReplyError, reason);
}

Deno.test("ReplyGuard.inspect() passes as many replies as are expected", () => {
  const replies = check(3);
  replies.inspect(encoder.encode("+OK\r\n:1\r\n$3\r\nab"));
  replies.inspect(encoder.encode("c\r\n"));
  refuses(replies, "+", "no command is owed");
});

Deno.test("ReplyGuard.inspect() refuses a surplus reply at its first byte", () => {
  refuses(check(0), ":", "no command is owed");
  refuses(check(1), "+OK\r\n$", "no command is owed");
});

Deno.test("ReplyGuard.inspect() refuses what is no reply, expected or not", () => {
  refuses(check(1), "@", "unknown type");
});

Deno.test("ReplyGuard.inspect() refuses a confirmation unless one was asked for", () => {
  refuses(check(1), CONFIRMATION, "no SUBSCRIBE");
  const replies = check(0);
  replies.expectReply();
  replies.noteCommand("SUBSCRIBE", ["c"], 3);
  replies.inspect(encoder.encode(CONFIRMATION));
  refuses(replies, CONFIRMATION, "no SUBSCRIBE");
});

Deno.test("ReplyGuard.inspect() passes unsolicited push messages", () => {
  const message = ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n";
  check(0).inspect(encoder.encode(message));
});

Deno.test("ReplyGuard.inspect() passes any number of lines after MONITOR", () => {
  const replies = check(0);
  replies.expectReply();
  replies.noteCommand("monitor", [], 3);
  replies.inspect(encoder.encode("+OK\r\n+one\r\n+two\r\n"));
});

Deno.test("ReplyGuard.noteCommand() tells messages of RESP2 from replies", () => {
  const replies = check(0);
  replies.expectReply();
  replies.noteCommand("subscribe", ["c"], 2);
  const text = "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n" +
    "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n".repeat(3);
  replies.inspect(encoder.encode(text));
});
