import { isDenoPresent } from "./host.ts";
import { quote } from "../schema/found.ts";

/** A file's text, or why there is none. */
export type FileResult =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "missing" }
  | { readonly kind: "denied"; readonly message: string }
  | { readonly kind: "unreadable"; readonly message: string };

/** How many bytes are read at a time. */
const CHUNK = 65_536;

/**
 * Reads a small text file: strict UTF-8, and no more of it than allowed, whatever it
 * is (a device has no end).
 *
 * @param path The file.
 * @param maxBytes Most bytes that it may have.
 * @returns The text, or why there is none; the messages hold nothing of the file.
 */
export function readSmallFileSync(path: string | URL, maxBytes: number): FileResult {
  if (!isDenoPresent()) return unreadable("this platform has no files");
  try {
    using file = Deno.openSync(path, { read: true });
    const chunks: Uint8Array[] = [];
    let length = 0;
    while (length <= maxBytes) {
      const chunk = new Uint8Array(CHUNK);
      const count = file.readSync(chunk);
      if (count === null) break;
      chunks.push(chunk.subarray(0, count));
      length += count;
    }
    return decodeChunks(chunks, length, maxBytes);
  } catch (error) {
    return explainFailure(error, path);
  }
}

/**
 * The same as {@linkcode readSmallFileSync} without blocking.
 *
 * @param path The file.
 * @param maxBytes Most bytes that it may have.
 * @returns The text, or why there is none.
 */
export async function readSmallFile(
  path: string | URL,
  maxBytes: number,
): Promise<FileResult> {
  if (!isDenoPresent()) return unreadable("this platform has no files");
  try {
    using file = await Deno.open(path, { read: true });
    const chunks: Uint8Array[] = [];
    let length = 0;
    while (length <= maxBytes) {
      const chunk = new Uint8Array(CHUNK);
      const count = await file.read(chunk);
      if (count === null) break;
      chunks.push(chunk.subarray(0, count));
      length += count;
    }
    return decodeChunks(chunks, length, maxBytes);
  } catch (error) {
    return explainFailure(error, path);
  }
}

/**
 * Decodes a small text.
 *
 * @param chunks Its bytes.
 * @param length How many bytes there are.
 * @param maxBytes Most bytes that it may have.
 * @returns The text, or why there is none.
 */
export function decodeChunks(
  chunks: readonly Uint8Array[],
  length: number,
  maxBytes: number,
): FileResult {
  if (length > maxBytes) {
    return unreadable(`it is larger than allowed: at most ${maxBytes} bytes`);
  }
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    let text = "";
    for (const chunk of chunks) text += decoder.decode(chunk, { stream: true });
    return { kind: "text", text: text + decoder.decode() };
  } catch {
    return unreadable("it is not valid UTF-8");
  }
}

function unreadable(message: string): FileResult {
  return { kind: "unreadable", message };
}

function explainFailure(error: unknown, path: string | URL): FileResult {
  if (error instanceof Deno.errors.NotFound) return { kind: "missing" };
  if (error instanceof Deno.errors.NotADirectory) return { kind: "missing" };
  if (error instanceof Deno.errors.NotCapable) {
    const message = `reading it is not allowed; run with --allow-read=${
      displayPath(path)
    }`;
    return { kind: "denied", message };
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return unreadable("the operating system does not let this user read it");
  }
  if (error instanceof Deno.errors.IsADirectory) return unreadable("it is a directory");
  return unreadable(error instanceof Error ? error.name : "unknown reason");
}

/**
 * A path as people write it.
 *
 * @param path A path or a URL.
 * @returns The path; a `file:` URL without its scheme.
 */
export function displayPath(path: string | URL): string {
  if (typeof path === "string") return path.replace(/^\.\//, "");
  if (path.protocol === "file:") return decodeURIComponent(path.pathname);
  return `${path.origin}${path.pathname}`;
}

/**
 * Whether others than the owner and the group may read a file.
 *
 * @param path The file.
 * @returns A warning, or nothing when they may not, or when it cannot be told.
 */
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
