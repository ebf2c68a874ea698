import { quote } from "../schema/found.ts";
import type { EnvReader } from "./env_reader.ts";

/** A text with its variables filled in, or what is wrong with it. */
export type Expanded =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly message: string };

/** `$${` (a literal `${`), `${NAME}`, `${NAME:-default}`, or a `${` that is neither. */
const REFERENCE = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{/g;

/**
 * Fills in `${NAME}` and `${NAME:-default}`. `$${` stands for `${` itself. What a
 * variable holds is taken as it is, not filled in again.
 *
 * @param text The text.
 * @param env The variables.
 * @returns The text with the variables' values, or what is wrong.
 */
export function expandVariables(text: string, env: EnvReader): Expanded {
  let problem: string | undefined;
  const result = text.replace(
    REFERENCE,
    (match: string, name: string | undefined, fallback: string | undefined) => {
      if (match === "$${") return "${";
      if (name === undefined) {
        problem ??= "found ${ that starts no variable, allowed: ${NAME}, " +
          "${NAME:-default} or $${ for the text ${";
        return "";
      }
      const value = env.get(name) ?? fallback;
      if (value === undefined) {
        problem ??= env.isDenied(name)
          ? `environment variable ${quote(name)} may not be read; run with ` +
            `--allow-env=${name}, or write \${${name}:-default}`
          : `environment variable ${quote(name)} is not set; set it, or write ` +
            `\${${name}:-default}`;
        return "";
      }
      return value;
    },
  );
  return problem === undefined
    ? { ok: true, text: result }
    : { ok: false, message: problem };
}
