import { decodeChunks, type FileResult } from "./files.ts";

/** How something small is fetched. */
export interface BoundedRequest {
  /** Most bytes that the body may have. */
  readonly maxBytes: number;
  /** Ends the request. */
  readonly signal: AbortSignal;
  /** Headers to send. */
  readonly headers?: Headers;
  /** What is done about redirects; they are followed by default. */
  readonly redirect?: "follow" | "error";
}

/** What came. */
export interface BoundedResponse {
  /** Status of the response. */
  readonly status: number;
  /** The body of a success, or why it cannot be read. */
  readonly body: FileResult;
}

/**
 * Fetches a small text and reads no more of it than allowed.
 *
 * @param url Where it is.
 * @param request How it is fetched.
 * @returns Status and body; the body is read only of a success.
 */
export async function fetchBounded(
  url: URL,
  request: BoundedRequest,
): Promise<BoundedResponse> {
  const { maxBytes, ...init } = request;
  const response = await fetch(url, init);
  const { ok, status, body } = response;
  if (ok) return { status, body: await readBounded(body, maxBytes) };
  await body?.cancel();
  const message = `the answer has status ${status}`;
  return { status, body: { kind: "unreadable", message } };
}

async function readBounded(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
): Promise<FileResult> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > maxBytes) break;
  }
  return decodeChunks(chunks, length, maxBytes);
}
