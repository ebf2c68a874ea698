import type { ConfigProblem } from "../../core/errors/base.ts";
import type { Layer } from "../layer.ts";
import { formatOrigin, formatPosition } from "../origin.ts";
import { type FileResult, readSmallFileSync } from "../sources/files.ts";
import { isDenoPresent } from "../sources/host.ts";
import type { RedisConfig } from "../types.ts";
import type { BuiltDatabase } from "./build.ts";
import { wordsOf, writtenPath } from "./words.ts";

/** Most bytes of a file of certificates: the bundle of a system has a quarter of one MiB. */
const MAX_PEM_BYTES = 4_194_304;

/** The files of TLS and what each must hold. */
const FILES = [
  { member: "caFile", holds: "certificate", label: /CERTIFICATE$/ },
  { member: "certFile", holds: "certificate", label: /CERTIFICATE$/ },
  { member: "keyFile", holds: "private key", label: /PRIVATE KEY$/ },
] as const;

/** What is wrong with the files, and what could not be told. */
export interface TlsFileFindings {
  /** Files that no connection can use. */
  readonly problems: readonly ConfigProblem[];
  /** Files that this process may not read. */
  readonly warnings: readonly string[];
}

/**
 * Looks into the files of TLS where TLS is spoken, so that one that is missing, empty or
 * no PEM is told when the configuration is loaded, not at the first connection. They are
 * read again for each connection. A file that this process may not read is not judged:
 * a warning names the permission, and connecting fails with the same advice.
 *
 * @param built The databases.
 * @param layers The sources, for the problems' keys.
 * @returns What is wrong.
 */
export function checkTlsFiles(
  built: Iterable<BuiltDatabase>,
  layers: readonly Layer[],
): TlsFileFindings {
  const problems = new Map<string, ConfigProblem>();
  const warnings = new Set<string>();
  // Databases share their files: each is read once.
  const read = new Map<string, FileResult>();
  for (const { config, values } of built) {
    for (const group of groupsInUse(config)) {
      for (const { member, holds, label } of FILES) {
        const path = config[group][member];
        const key = `${group}.${member}`;
        const origin = values.get(key)?.origin;
        if (path === undefined || origin === undefined) continue;
        const content = read.get(path) ?? readPem(path);
        read.set(path, content);
        const place = formatPosition(origin);
        if (content.kind === "denied") {
          const name = wordsOf(origin).name(key);
          warnings.add(
            `${formatOrigin(origin)}: ${name} ${
              JSON.stringify(path)
            } is not checked: ${content.message}`,
          );
          continue;
        }
        const message = complaint(path, content, holds, label);
        if (message === undefined || problems.has(`${place} ${message}`)) continue;
        problems.set(`${place} ${message}`, {
          origin: place,
          key: writtenPath(layers, config.name, key, origin),
          message,
        });
      }
    }
  }
  return { problems: [...problems.values()], warnings: [...warnings] };
}

function groupsInUse(config: RedisConfig): ("tls" | "sentinelTls")[] {
  const groups: ("tls" | "sentinelTls")[] = [];
  const isUnix = config.mode === "standalone" && config.unixSocket !== undefined;
  if (config.tls.enabled && !isUnix) groups.push("tls");
  if (config.mode === "sentinel" && config.sentinelTls.enabled) {
    groups.push("sentinelTls");
  }
  return groups;
}

/** Asks the runtime first, so that it does not stop and ask the user. */
function readPem(path: string): FileResult {
  if (isDenoPresent()) {
    const { state } = Deno.permissions.querySync({ name: "read", path });
    if (state !== "granted") {
      const message = `reading it is not allowed; run with --allow-read=${path}`;
      return { kind: "denied", message };
    }
  }
  return readSmallFileSync(path, MAX_PEM_BYTES);
}

/** What is wrong with a file; nothing of what it holds is told. */
function complaint(
  path: string,
  content: FileResult,
  holds: string,
  label: RegExp,
): string | undefined {
  const file = `the file ${JSON.stringify(path)}`;
  if (content.kind !== "text") {
    const reason = content.kind === "missing" ? "it does not exist" : content.message;
    return `${file} cannot be read: ${reason}`;
  }
  if (content.text.trim() === "") return `${file} is empty`;
  const blocks = [...content.text.matchAll(PEM_BLOCK)];
  const wanted = blocks.filter(([, found]) => label.test(found!));
  if (wanted.length === 0) {
    const found = blocks.length === 0 ? "no PEM" : `PEM, but no ${holds}`;
    return `${file} holds ${found}, allowed: a ${holds} in PEM, which begins with ` +
      "-----BEGIN";
  }
  const isWhole = wanted.every(([, , body, end]) => end !== "" && isPemBody(body!));
  return isWhole ? undefined : `${file} holds a ${holds} that is cut off or damaged`;
}

/** A block: its label, its body, and its end where it has one. */
const PEM_BLOCK =
  /-----BEGIN ([A-Z0-9 ]+)-----([\s\S]*?)(-----END \1-----|(?=-----BEGIN )|$)/g;

/** Headers such as those of an encrypted key, then Base64 of an ASN.1 sequence. */
function isPemBody(body: string): boolean {
  const base64 = body.replace(/^[\w-]+: .*$/gm, "").replace(/\s+/g, "");
  return base64.startsWith("M") && base64.length % 4 === 0 &&
    /^[A-Za-z0-9+/]+={0,2}$/.test(base64);
}
