import { ConfigError } from "../../core/errors/base.ts";
import { Secret } from "../../core/secret.ts";
import { dialectOf, formatOrigin, type Origin } from "../origin.ts";
import { writtenName } from "../schema/names.ts";
import { type FileResult, readSmallFile, readSmallFileSync } from "../sources/files.ts";

/** Most bytes of a password file. */
const MAX_PASSWORD_BYTES = 65_536;

/** A secret out of a file, or what is wrong. */
export type PasswordFile =
  | { readonly ok: true; readonly secret: Secret }
  | { readonly ok: false; readonly message: string };

/**
 * Makes a secret out of a file. The file is read now, so that a missing one is told
 * when the configuration is loaded, and again for each new connection: the secrets that
 * orchestrators mount are rotated by writing the file anew.
 *
 * @param path The file.
 * @param origin Where it is named.
 * @returns The secret, or what is wrong.
 */
export function passwordFromFile(path: string, origin: Origin): PasswordFile {
  const first = contentOf(path, readSmallFileSync(path, MAX_PASSWORD_BYTES));
  if (!first.ok) return first;
  const secret = new Secret(async () => {
    const content = contentOf(path, await readSmallFile(path, MAX_PASSWORD_BYTES));
    if (content.ok) return content.text;
    const problem = {
      origin: formatOrigin(origin),
      key: writtenName("passwordFile", dialectOf(origin)),
      message: content.message,
    };
    throw new ConfigError([problem]);
  });
  return { ok: true, secret };
}

type Content = { ok: true; text: string } | { ok: false; message: string };

function contentOf(path: string, result: FileResult): Content {
  if (result.kind !== "text") {
    const reason = result.kind === "missing" ? "it does not exist" : result.message;
    return {
      ok: false,
      message: `the file ${JSON.stringify(path)} cannot be read: ${reason}`,
    };
  }
  // Editors and `echo` end the file with a line break that is no part of the password.
  const text = result.text.replace(/(\r?\n)+$/, "");
  if (text !== "") return { ok: true, text };
  return { ok: false, message: `the file ${JSON.stringify(path)} is empty` };
}
