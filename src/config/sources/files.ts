import { deadline } from "@std/async/deadline";
import { quote } from "../messages.ts";

/** A file's text, or why there is none; the messages hold nothing of the file. */
export type FileResult =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "missing" }
  | { readonly kind: "denied"; readonly message: string }
  | { readonly kind: "unreadable"; readonly message: string };

/**
 * Whether the runtime has Deno's files and environment; elsewhere the configuration comes
 * from code and text alone.
 */
export function isDenoPresent(): boolean {
  return typeof globalThis.Deno === "object" &&
    typeof globalThis.Deno.permissions?.querySync === "function";
}

const CHUNK = 65_536;

/**
 * Reads a small text file: strict UTF-8, and never more than `maxBytes`, whatever it is
 * (a device has no end).
 */
export function readSmallFileSync(path: string | URL, maxBytes: number): FileResult {
  if (!isDenoPresent()) return unreadable("this platform has no files");
  try {
    using file = Deno.openSync(path, { read: true });
    const text = new BoundedText(maxBytes);
    const chunk = new Uint8Array(CHUNK);
    let count = file.readSync(chunk);
    while (count !== null && text.add(chunk.slice(0, count))) {
      count = file.readSync(chunk);
    }
    return text.decode();
  } catch (error) {
    return explainFailure(error, path);
  }
}

/** The same as {@linkcode readSmallFileSync} without blocking. */
export async function readSmallFile(
  path: string | URL,
  maxBytes: number,
): Promise<FileResult> {
  if (!isDenoPresent()) return unreadable("this platform has no files");
  try {
    const file = await Deno.open(path, { read: true });
    return await readStream(file.readable, maxBytes);
  } catch (error) {
    return explainFailure(error, path);
  }
}

/** Collects the chunks of a small text. */
class BoundedText {
  readonly #chunks: Uint8Array[] = [];
  readonly #maxBytes: number;
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Adds a chunk; whether there is room for more. */
  add(chunk: Uint8Array): boolean {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    return this.#length <= this.#maxBytes;
  }

  decode(): FileResult {
    if (this.#length > this.#maxBytes) {
      return unreadable(`it is larger than allowed: at most ${this.#maxBytes} bytes`);
    }
    const decoder = new TextDecoder("utf-8", { fatal: true });
    try {
      let text = "";
      for (const chunk of this.#chunks) text += decoder.decode(chunk, { stream: true });
      return { kind: "text", text: text + decoder.decode() };
    } catch {
      return unreadable("it is not valid UTF-8");
    }
  }
}

/** Leaving the loop early cancels the stream. */
async function readStream(
  stream: ReadableStream<Uint8Array> | null,
  maxBytes: number,
): Promise<FileResult> {
  const text = new BoundedText(maxBytes);
  for await (const chunk of stream ?? []) {
    if (!text.add(chunk)) break;
  }
  return text.decode();
}

function unreadable(message: string): FileResult {
  return { kind: "unreadable", message };
}

function explainFailure(error: unknown, path: string | URL): FileResult {
  if (error instanceof Deno.errors.NotFound) return { kind: "missing" };
  if (error instanceof Deno.errors.NotADirectory) return { kind: "missing" };
  if (error instanceof Deno.errors.NotCapable) {
    const flag = `--allow-read=${displayPath(path)}`;
    return { kind: "denied", message: `reading it is not allowed; run with ${flag}` };
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return unreadable("the operating system does not let this user read it");
  }
  if (error instanceof Deno.errors.IsADirectory) return unreadable("it is a directory");
  return unreadable(error instanceof Error ? error.name : "unknown reason");
}

/**
 * Runs an operation with a deadline. Its signal is aborted when the deadline has passed
 * and when `signal` is.
 *
 * @throws {DOMException} With the name `TimeoutError` after the deadline.
 */
export async function withDeadline<T>(
  run: (signal: AbortSignal) => T | Promise<T>,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<T> {
  const limit = new AbortController();
  const signals = signal === undefined ? [limit.signal] : [limit.signal, signal];
  try {
    const result = Promise.resolve(run(AbortSignal.any(signals)));
    return await deadline(result, timeoutMs, signal && { signal });
  } finally {
    limit.abort();
  }
}

/** Whether an error is that of a deadline. */
export function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === "TimeoutError";
}

/** Fetches a small text, and never reads more than `maxBytes` of it. */
export async function fetchBounded(
  url: URL,
  { maxBytes, ...init }: RequestInit & { maxBytes: number },
): Promise<{ readonly status: number; readonly body: FileResult }> {
  const { ok, status, body } = await fetch(url, init);
  if (ok) return { status, body: await readStream(body, maxBytes) };
  await body?.cancel();
  return { status, body: unreadable(`the answer has status ${status}`) };
}

/** Why a request failed that was no answer of the server. */
export function explainFetchFailure(error: unknown, url: URL, server: string): string {
  if (error instanceof Deno.errors.NotCapable) {
    return `network access is not allowed; run with --allow-net=${url.host}`;
  }
  if (error instanceof TypeError) return `no connection to ${server}`;
  return error instanceof Error ? error.name : "unknown reason";
}

/** How long a file may take to arrive. */
const FETCH_TIMEOUT_MS = 10_000;

/** Fetches a small text file from `http:` or `https:`. */
export async function fetchSmallFile(url: URL, maxBytes: number): Promise<FileResult> {
  try {
    const { status, body } = await withDeadline(
      (signal) => fetchBounded(url, { maxBytes, signal }),
      FETCH_TIMEOUT_MS,
    );
    return status === 404 ? { kind: "missing" } : body;
  } catch (error) {
    return unreadable(
      isTimeout(error)
        ? `it did not come within ${FETCH_TIMEOUT_MS} ms`
        : explainFetchFailure(error, url, "its server"),
    );
  }
}

/** A path as users write it; a `file:` URL without its scheme. */
export function displayPath(path: string | URL): string {
  if (typeof path === "string") return path.replace(/^\.\//, "");
  if (path.protocol === "file:") return decodeURIComponent(path.pathname);
  return `${path.origin}${path.pathname}`;
}

/** A warning if others than the owner and the group of a file may read it. */
export function warnIfReadableByOthers(path: string): string | undefined {
  try {
    const mode = Deno.statSync(path).mode;
    if (mode === null || (mode & 0o004) === 0) return undefined;
    const octal = (mode & 0o777).toString(8).padStart(4, "0");
    return `the secret file ${quote(path)} is readable by others (mode ${octal}); ` +
      "take that right away with chmod o-r";
  } catch {
    return undefined;
  }
}
