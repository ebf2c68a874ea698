import { deadline } from "@std/async/deadline";
import { decodeChunks, type FileResult } from "./files.ts";

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
    return await deadline(fetchText(url, maxBytes, controller.signal), TIMEOUT_MS);
  } catch (error) {
    return { kind: "unreadable", message: reasonOf(error, url) };
  } finally {
    controller.abort();
  }
}

async function fetchText(
  url: URL,
  maxBytes: number,
  signal: AbortSignal,
): Promise<FileResult> {
  const response = await fetch(url, { signal });
  if (!response.ok) {
    await response.body?.cancel();
    if (response.status === 404) return { kind: "missing" };
    return { kind: "unreadable", message: `the server answered ${response.status}` };
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > maxBytes) break;
  }
  return decodeChunks(chunks, length, maxBytes);
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
