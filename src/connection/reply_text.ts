/** What a server quotes of a command that it does not know. */
const ARGUMENTS = /,? with args beginning with:.*$/s;
/** Where it quotes a part of an ACL rule, which may be a password or its hash. */
const ACL_MODIFIER = /^(ERR Error in ACL SETUSER modifier )'.*'(?=: )/s;

/**
 * The text of an error reply without what it quotes of the arguments: they may be secrets,
 * and the text goes into logs.
 *
 * @param text The server's text.
 * @returns The text; names of commands, subcommands and settings stay.
 *
 * @example Usage
 * ```ts
 * import { withoutQuotes } from "./reply_text.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const text = "ERR unknown command 'ATUH', with args beginning with: 's3cret' ";
 * assertEquals(withoutQuotes(text), "ERR unknown command 'ATUH'");
 * ```
 */
export function withoutQuotes(text: string): string {
  return text.replace(ARGUMENTS, "").replace(ACL_MODIFIER, "$1***");
}
