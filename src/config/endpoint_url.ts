import { nearest } from "../core/errors/base.ts";
import { allowedText, fromText } from "./kinds.ts";
import { foundText, keyName, quote } from "./messages.ts";
import { isGroup, settingNames, settingOf } from "./names.ts";

/** The settings in a URL by their path in code; or what is wrong with it. */
export type EndpointUrl =
  | { readonly ok: true; readonly values: ReadonlyMap<string, unknown> }
  | { readonly ok: false; readonly message: string };

/** Settings that have their own place in a URL, or that none may carry. */
const NOT_IN_QUERY: ReadonlySet<string> = new Set([
  "url",
  "host",
  "port",
  "resolve",
  "unixSocket",
  "nodes",
  "username",
  "password",
  "sentinelUsername",
  "sentinelPassword",
  "aliasOf",
]);

/** A message of ours; the URL itself is never part of one, it may hold a password. */
class UrlProblem extends Error {}

/**
 * Reads a `redis://`, `rediss://` or `unix://` URL.
 *
 * `redis://user:password@host:6379/2?socket_timeout=3` gives user, password, host,
 * port, number and, in the query, any plain setting under its YAML name. `redis://`
 * never disables TLS that was enabled elsewhere.
 */
export function readEndpointUrl(text: string): EndpointUrl {
  const values = new Map<string, unknown>();
  try {
    if (/^unix:/i.test(text)) readUnix(text, values);
    else if (/^rediss?:/i.test(text)) readTcp(text, values);
    else {
      throw new UrlProblem(
        `found ${schemeOf(text)}, allowed: redis://, rediss:// or unix://`,
      );
    }
    return { ok: true, values };
  } catch (error) {
    if (error instanceof UrlProblem) return { ok: false, message: error.message };
    throw error;
  }
}

function schemeOf(text: string): string {
  const scheme = /^[a-z][a-z0-9+.-]{0,20}(?=:\/\/)/i.exec(text)?.[0];
  return scheme === undefined
    ? `a text of ${text.length} characters that is no URL`
    : `scheme ${quote(scheme)}`;
}

function readTcp(text: string, values: Map<string, unknown>): void {
  // The URL parser lets both pass in places where they were meant as a password.
  if (/\s/.test(text)) throw new UrlProblem("the URL contains white space; write %20");
  const url = URL.parse(text);
  if (url === null) {
    throw new UrlProblem(
      "the URL cannot be read; a password's special characters are written as %XX, " +
        "a port is a number from 1 to 65535",
    );
  }
  if (url.hash !== "") throw new UrlProblem("the URL contains #; write %23");
  if (!text.slice(url.protocol.length).startsWith("//")) {
    throw new UrlProblem(`the URL has no // after ${url.protocol}`);
  }
  if (url.protocol === "rediss:") values.set("tls.enabled", true);
  if (url.hostname !== "") {
    const host = fromText(settingOf("host").kind, decode(url.hostname, "host"));
    if (host === undefined) throw new UrlProblem("the URL's host is no host name");
    values.set("host", host);
    // A URL gives the whole endpoint: without a port it means the usual one.
    const { kind, default: usual } = settingOf("port");
    const port = url.port === "" ? usual : fromText(kind, url.port);
    if (port === undefined) throw new UrlProblem("the URL's port is not from 1 to 65535");
    values.set("port", port);
  }
  readCredentials(url.username, url.password, values);
  const path = url.pathname.replace(/^\//, "");
  if (path !== "") {
    const { kind } = settingOf("db");
    const db = fromText(kind, path);
    if (db === undefined) {
      throw new UrlProblem(
        `the URL's path is ${foundText(path)}, allowed: ${allowedText(kind, "yaml")}`,
      );
    }
    values.set("db", db);
  }
  readQuery(url.searchParams, values);
}

function readUnix(text: string, values: Map<string, unknown>): void {
  const match =
    /^unix:\/\/(?:([^@/?#:]*)(?::([^@/?#]*))?@)?(\/[^?#\s]*)(?:\?([^#\s]*))?$/i
      .exec(text);
  if (match === null) {
    throw new UrlProblem("the URL cannot be read, allowed: unix:///path/to/redis.sock");
  }
  const [, username = "", password = "", path = "", query = ""] = match;
  values.set("unixSocket", decode(path, "path"));
  readCredentials(username, password, values);
  readQuery(new URLSearchParams(query), values);
}

function readCredentials(
  username: string,
  password: string,
  values: Map<string, unknown>,
): void {
  if (username !== "") values.set("username", decode(username, "user"));
  if (password !== "") values.set("password", decode(password, "password"));
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new UrlProblem(`the URL's ${what} has a % that is not followed by two digits`);
  }
}

function readQuery(query: URLSearchParams, values: Map<string, unknown>): void {
  if (query.size === 0) return;
  const names = settingNames("yaml", "database");
  const known = [...names].filter(([, entry]) =>
    !isGroup(entry) && !NOT_IN_QUERY.has(entry.key)
  ).map(([name]) => name);
  for (const [name, raw] of query) {
    const option = `the URL's option "${keyName(name)}"`;
    const setting = names.get(name);
    if (setting === undefined || isGroup(setting) || NOT_IN_QUERY.has(setting.key)) {
      const meant = nearest(name, known);
      const hint = meant === undefined ? "" : `; did you mean ${quote(meant)}?`;
      throw new UrlProblem(`${option} is not known${hint}`);
    }
    if (values.has(setting.key)) {
      throw new UrlProblem(`the URL says "${keyName(name)}" twice`);
    }
    const value = fromText(setting.kind, raw);
    if (value === undefined) {
      const allowed = allowedText(setting.kind, "yaml");
      throw new UrlProblem(`${option} is ${foundText(raw)}, allowed: ${allowed}`);
    }
    values.set(setting.key, value);
  }
}
