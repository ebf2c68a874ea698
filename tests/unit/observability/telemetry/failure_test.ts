import { assertEquals } from "@std/assert";
import { describeCrossSlot, keySlot } from "../../../../src/cluster/slots.ts";
import {
  CommandRefusedError,
  CommandTimeoutError,
} from "../../../../src/core/errors/mod.ts";
import { describeFailure } from "../../../../src/observability/telemetry/operations.ts";

function reply(message: string): Error {
  const error = new Error(message);
  error.name = "ReplyError";
  return error;
}

Deno.test("describeFailure() names an error reply by its prefix", () => {
  const message = "WRONGTYPE Operation against a key holding the wrong kind of value";
  assertEquals(describeFailure(reply(message), "LPUSH"), {
    type: "WRONGTYPE",
    statusCode: "WRONGTYPE",
    description: message,
  });
  assertEquals(describeFailure(reply("no prefix at all"), "GET").statusCode, "ERR");
});

Deno.test("describeFailure() names an error of ours by its class, and has no status code", () => {
  const error = new CommandTimeoutError("main", "get", 50, "ambiguous");
  const { type, statusCode, description } = describeFailure(error, "GET");
  assertEquals(
    [type, statusCode, description],
    ["CommandTimeoutError", undefined, error.message],
  );
});

Deno.test("describeFailure() leaves out what the server quotes of a command", () => {
  for (
    const [message, operation, expected] of [
      [
        "ERR unknown command 'FOO', with args beginning with: 's3cret' 'it''s' ",
        "FOO",
        "ERR unknown command ?",
      ],
      [
        "ERR unknown command `FOO`, with args beginning with: `s3cret`, `\n`, ",
        "FOO",
        "ERR unknown command ?",
      ],
      [
        `ERR value "s3cret" is not valid`,
        "SET",
        "ERR value ? is not valid",
      ],
      [
        `ERR value "s3cret\\" is not valid`,
        "SET",
        "ERR value ? is not valid",
      ],
      ["ERR s3cret is what the script says", "EVAL", ""],
      ["ERR s3cret is what the function says", "FCALL_RO", ""],
    ] as const
  ) {
    assertEquals(describeFailure(reply(message), operation).description, expected);
  }
});

Deno.test("describeFailure() leaves out the keys that a refusal names", () => {
  const keys = ["user:1", 'say "s3cret" \\'];
  const text = describeCrossSlot(keys)!;
  const error = new CommandRefusedError("main", "multi", text, "one node of the cluster");
  const { type, description } = describeFailure(error, "MULTI");
  assertEquals(type, "CommandRefusedError");
  assertEquals(
    description,
    "Cannot run MULTI on one node of the cluster of database ?: its keys have to be in " +
      `one slot, but ? is in slot 10778 and ? in slot ${keySlot(keys[1]!)}; ` +
      "a common {tag} in them puts them together",
  );
});

Deno.test("describeFailure() looks for the first error behind that of a batch", () => {
  const error = Object.assign(new Error("2 of 3 failed"), {
    results: [
      { ok: true, value: 1 },
      { ok: false, error: reply("NOPERM not you") },
      { ok: false, error: reply("ERR later") },
    ],
  });
  assertEquals(describeFailure(error, "PIPELINE").type, "NOPERM");
});

Deno.test("describeFailure() has a word for what is no error", () => {
  assertEquals(describeFailure("given up", "GET"), { type: "_OTHER", description: "" });
  const abort = new DOMException("redis://u:s3cret@h is gone", "AbortError");
  assertEquals(describeFailure(abort, "GET"), {
    type: "AbortError",
    description: "redis://***@h is gone",
  });
});
