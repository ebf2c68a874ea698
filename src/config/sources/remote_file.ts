import { deadline } from "@std/async/deadline";
import { fetchBounded } from "./fetch_bounded.ts";
import type { FileResult } from "./files.ts";

/** Milliseconds that a file may take to come. */
const TIMEOUT_MS = 10_000;

/**
 * Fetches a small text file.
 *
 * @param url The file, `http:` or `https:`.
 * @param maxBytes Most bytes that it may have.
 * @returns The text, or why there is none; the messages hold nothing of the file.
 */
export async function fetchSmallFile(url: URL, maxBytes: number): Promise<FileResult> {
  const controller = new AbortController();
  try {
    const request = fetchBounded(url, { maxBytes, signal: controller.signal });
    const { status, body } = await deadline(request, TIMEOUT_MS);
    return status === 404 ? { kind: "missing" } : body;
  } catch (error) {
    return { kind: "unreadable", message: reasonOf(error, url) };
  } finally {
    // Ends the request where the deadline, not the answer, came first.
    controller.abort();
  }
}

function reasonOf(error: unknown, url: URL): string {
  if (error instanceof Deno.errors.NotCapable) {
    return `network access is not allowed; run with --allow-net=${url.host}`;
  }
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return `it did not come within ${TIMEOUT_MS} ms`;
  }
  return "no connection to its server";
}
