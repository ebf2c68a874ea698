import { ConfigError, type ConfigProblem } from "../../core/errors/base.ts";
import { Secret } from "../../core/secret.ts";
import {
  type EffectiveValues,
  formatOrigin,
  formatPosition,
  type Layer,
  type Origin,
} from "../layer.ts";
import { problemAt, wordingOf } from "../messages.ts";
import type { RedisConfig } from "../settings.ts";
import {
  type FileResult,
  isDenoPresent,
  readSmallFile,
  readSmallFileSync,
} from "../sources/files.ts";

const MAX_PASSWORD_BYTES = 65_536;

/**
 * Makes a secret out of a file. The file is read now, so that a missing one is reported
 * when the configuration is loaded, and again for each new connection: orchestrators
 * rotate mounted secrets by writing the file anew.
 *
 * @param origin Where the file is named.
 * @returns The secret, or what is wrong with the file.
 */
export function passwordFromFile(path: string, origin: Origin): Secret | string {
  const first = passwordIn(path, readSmallFileSync(path, MAX_PASSWORD_BYTES));
  if (first.problem !== undefined) return first.problem;
  return new Secret(async () => {
    const content = await readSmallFile(path, MAX_PASSWORD_BYTES);
    const { text, problem } = passwordIn(path, content);
    if (problem === undefined) return text;
    const key = wordingOf(origin).name("passwordFile");
    throw new ConfigError([{ origin: formatOrigin(origin), key, message: problem }]);
  });
}

function passwordIn(
  path: string,
  content: FileResult,
): { text: string; problem?: undefined } | { text?: undefined; problem: string } {
  if (content.kind !== "text") return { problem: whyUnread(path, content) };
  // Editors and `echo` end the file with a line break that is no part of the password.
  const text = content.text.replace(/(\r?\n)+$/, "");
  return text === "" ? { problem: `${fileName(path)} is empty` } : { text };
}

function fileName(path: string): string {
  return `the file ${JSON.stringify(path)}`;
}

function whyUnread(
  path: string,
  content: Exclude<FileResult, { kind: "text" }>,
): string {
  const reason = content.kind === "missing" ? "it does not exist" : content.message;
  return `${fileName(path)} cannot be read: ${reason}`;
}

/** The bundle of certificates of a system has a quarter of one MiB. */
const MAX_PEM_BYTES = 4_194_304;

/** The files of TLS and what each must hold. */
const FILES = [
  { member: "caFile", holds: "certificate", label: /CERTIFICATE$/ },
  { member: "certFile", holds: "certificate", label: /CERTIFICATE$/ },
  { member: "keyFile", holds: "private key", label: /PRIVATE KEY$/ },
] as const;

/**
 * Checks the files of TLS where TLS is used, so that one that is missing, empty or no PEM
 * is reported when the configuration is loaded, not at the first connection. They are
 * read again for each connection. A file that this process may not read is not checked:
 * a warning names the permission, and connecting fails with the same advice.
 */
export function checkTlsFiles(
  built: Iterable<{ readonly config: RedisConfig; readonly values: EffectiveValues }>,
  layers: readonly Layer[],
): { problems: ConfigProblem[]; warnings: string[] } {
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
        if (content.kind === "denied") {
          const file = `${wordingOf(origin).name(key)} ${JSON.stringify(path)}`;
          warnings.add(
            `${formatOrigin(origin)}: ${file} is not checked: ${content.message}`,
          );
          continue;
        }
        const message = whyUnusable(path, content, holds, label);
        const id = `${formatPosition(origin)} ${message}`;
        if (message === undefined || problems.has(id)) continue;
        problems.set(id, problemAt(layers, config.name, key, origin, message));
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

/** Checks the permission first, so that the runtime does not prompt the user. */
function readPem(path: string): FileResult {
  if (
    isDenoPresent() &&
    Deno.permissions.querySync({ name: "read", path }).state !== "granted"
  ) {
    const message = `reading it is not allowed; run with --allow-read=${path}`;
    return { kind: "denied", message };
  }
  return readSmallFileSync(path, MAX_PEM_BYTES);
}

/** Why a file of TLS is of no use; its contents are never shown. */
function whyUnusable(
  path: string,
  content: FileResult,
  holds: string,
  label: RegExp,
): string | undefined {
  if (content.kind !== "text") return whyUnread(path, content);
  const file = fileName(path);
  const { text } = content;
  if (text.trim() === "") return `${file} is empty`;
  const blocks = [...text.matchAll(PEM_BLOCK)];
  const wanted = blocks.filter(([, found]) => label.test(found!));
  if (wanted.length === 0) {
    const found = blocks.length === 0 ? "no PEM" : `PEM, but no ${holds}`;
    return `${file} holds ${found}, allowed: a ${holds} in PEM, which begins with ` +
      "-----BEGIN";
  }
  const isWhole = wanted.every(([, , body, end]) => end !== "" && isPemBody(body!));
  return isWhole ? undefined : `${file} holds a ${holds} that is cut off or damaged`;
}

/** A block: its label, its body, and its end if it has one. */
const PEM_BLOCK =
  /-----BEGIN ([A-Z0-9 ]+)-----([\s\S]*?)(-----END \1-----|(?=-----BEGIN )|$)/g;

/** Headers such as those of an encrypted key, then Base64 of an ASN.1 sequence. */
function isPemBody(body: string): boolean {
  const base64 = body.replace(/^[\w-]+: .*$/gm, "").replace(/\s+/g, "");
  return base64.startsWith("M") && base64.length % 4 === 0 &&
    /^[A-Za-z0-9+/]+={0,2}$/.test(base64);
}
