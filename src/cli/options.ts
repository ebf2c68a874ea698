import { InvalidArgumentError, Option } from "commander";
import { CliExit, ExitCode } from "./exit.ts";

/** `--config FILE`, which every command that reads a configuration has. */
export function configOption(): Option {
  return new Option(
    "-c, --config <file>",
    "the configuration; by default the first one of the search path",
  );
}

/** `--json`. */
export function jsonOption(): Option {
  return new Option("--json", "print JSON, for programs");
}

/**
 * Reads a length of time.
 *
 * @param text Seconds, such as `2` or `0.5`.
 * @returns Milliseconds.
 * @throws {InvalidArgumentError} If it is none, or not from 0.1 to 86,400.
 */
export function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (text.trim() !== "" && seconds >= 0.1 && seconds <= 86_400) return seconds * 1000;
  throw new InvalidArgumentError("It must be a number of seconds from 0.1 to 86400.");
}

/**
 * Reads a number of things.
 *
 * @param text A whole number.
 * @returns The number.
 * @throws {InvalidArgumentError} If it is none, or not from 1 to 1,000,000.
 */
export function parseCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= 1_000_000) return count;
  throw new InvalidArgumentError("It must be a whole number from 1 to 1000000.");
}

/**
 * Reads the address behind `--url`.
 *
 * @param schemes What it may begin with, such as `redis:`.
 * @returns A reader; it gives the text back.
 * @throws {CliExit} By the reader, if it is none. The parser's own error would say the
 * text, which may hold a password.
 */
export function parseUrl(schemes: readonly string[]): (text: string) => string {
  return (text) => {
    if (URL.canParse(text) && schemes.includes(new URL(text).protocol)) return text;
    const allowed = schemes.map((scheme) => `${scheme}//`).join(", ");
    throw new CliExit(
      ExitCode.USAGE,
      `error: --url must be a URL that begins with ${allowed}`,
    );
  };
}
