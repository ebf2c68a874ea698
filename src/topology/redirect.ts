import type { TcpAddress } from "../core/address.ts";
import { SLOTS } from "./key_slot.ts";

/** Where a cluster's node sends a command that it did not run. */
export interface Redirect {
  /** `moved`: the slot is there for good. `ask`: this once, after ASKING. */
  readonly kind: "moved" | "ask";
  /** The slot, 0 to 16383. */
  readonly slot: number;
  /** The node. */
  readonly node: TcpAddress;
}

/** `MOVED 3999 127.0.0.1:6381`; the host may be empty, or an IPv6 address as it is. */
const REDIRECT = /^(MOVED|ASK) (\d{1,5}) (.*):(\d{1,5})$/;

/** Most redirects of one command: more are a cluster whose nodes disagree. */
export const MAX_REDIRECTS = 16;

/**
 * Reads a redirect out of an error reply.
 *
 * @param message The server's text, without the leading `-`.
 * @param askedHost The host that gave it: meant where it names none.
 * @returns The redirect; `undefined` if it is another error.
 *
 * @example Usage
 * ```ts
 * import { parseRedirect } from "./redirect.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseRedirect("MOVED 3999 :6381", "10.0.0.7"), {
 *   kind: "moved",
 *   slot: 3999,
 *   node: { host: "10.0.0.7", port: 6381 },
 * });
 * ```
 */
export function parseRedirect(message: string, askedHost: string): Redirect | undefined {
  const [, word, slotText, host, portText] = REDIRECT.exec(message) ?? [];
  if (word === undefined) return undefined;
  const [slot, port] = [Number(slotText), Number(portText)];
  if (slot >= SLOTS || port < 1 || port > 65_535) return undefined;
  const isUnknown = host === "" || host === "?";
  return {
    kind: word === "MOVED" ? "moved" : "ask",
    slot,
    node: { host: isUnknown ? askedHost : host!, port },
  };
}

/** What the decision whether to follow a redirect rests on. */
export interface RedirectQuestion {
  /** The redirect. */
  readonly redirect: Redirect;
  /** The command's slot; `undefined` if its keys are not known. */
  readonly slot: number | undefined;
  /** Redirects that the command has followed. */
  readonly followed: number;
  /** Milliseconds until the command's deadline. */
  readonly remainingMs: number;
}

/**
 * Decides whether a command is sent to where it was redirected: within its deadline, and
 * not for ever. A redirect of another slot than the command's was made up by a script.
 *
 * @param question What is known.
 * @returns Whether to follow.
 *
 * @example Usage
 * ```ts
 * import { followsRedirect, parseRedirect } from "./redirect.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const redirect = parseRedirect("ASK 12182 10.0.0.7:6381", "10.0.0.8")!;
 * const question = { redirect, slot: 12182, followed: 0, remainingMs: 100 };
 * assertEquals(followsRedirect(question), true);
 * assertEquals(followsRedirect({ ...question, slot: 1 }), false);
 * ```
 */
export function followsRedirect(question: RedirectQuestion): boolean {
  const { redirect, slot, followed, remainingMs } = question;
  if (slot !== undefined && slot !== redirect.slot) return false;
  return followed < MAX_REDIRECTS && remainingMs > 0;
}
