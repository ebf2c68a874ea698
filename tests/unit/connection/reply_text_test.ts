import { assertEquals } from "@std/assert";
import { withoutQuotes } from "../../../src/connection/ioredis.ts";

const CASES: [text: string, rest: string][] = [
  [
    "ERR unknown command 'ATUH', with args beginning with: 's3cret' 'it's' ",
    "ERR unknown command 'ATUH'",
  ],
  [
    "ERR unknown command `ATUH`, with args beginning with: `s3cret`, `\n`, ",
    "ERR unknown command `ATUH`",
  ],
  [
    "ERR Error in ACL SETUSER modifier '<s3c': 'ret': The password you are trying to " +
    "remove from the user does not exist",
    "ERR Error in ACL SETUSER modifier ***: The password you are trying to remove from " +
    "the user does not exist",
  ],
  ["ERR unknown subcommand 'FOO'. Try CLIENT HELP.", ""],
  ["ERR wrong number of arguments for 'get' command", ""],
  [
    "ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value",
    "",
  ],
];

for (const [text, rest] of CASES) {
  Deno.test(`withoutQuotes() keeps the names of ${JSON.stringify(text.slice(0, 40))} and nothing else that it quotes`, () => {
    assertEquals(withoutQuotes(text), rest === "" ? text : rest);
  });
}
