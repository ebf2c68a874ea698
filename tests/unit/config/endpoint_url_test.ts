import { assertEquals, assertFalse } from "@std/assert";
import { readEndpointUrl } from "../../../src/config/endpoint_url.ts";

/** URL and the settings it gives. */
const GOOD: [url: string, values: Record<string, unknown>][] = [
  ["redis://h", { host: "h", port: 6379 }],
  ["redis://h:7000/3", { host: "h", port: 7000, db: 3 }],
  ["redis://h/", { host: "h", port: 6379 }],
  ["REDIS://h", { host: "h", port: 6379 }],
  ["rediss://h", { "tls.enabled": true, host: "h", port: 6379 }],
  ["redis://", {}],
  ["redis:///2", { db: 2 }],
  ["redis://[::1]:7000", { host: "::1", port: 7000 }],
  ["redis://:secret@h", { host: "h", port: 6379, password: "secret" }],
  ["redis://u:s%40%2F%23@h", { host: "h", port: 6379, username: "u", password: "s@/#" }],
  ["redis://u@h", { host: "h", port: 6379, username: "u" }],
  [
    "redis://h?socket_timeout=2.5&max_connections=4&db=2&retry_writes=true",
    {
      host: "h",
      port: 6379,
      commandTimeoutMs: 2500,
      maxConnections: 4,
      db: 2,
      retryWrites: true,
    },
  ],
  ["redis://h?timeout=1", { host: "h", port: 6379, commandTimeoutMs: 1000 }],
  ["unix:///run/redis.sock", { unixSocket: "/run/redis.sock" }],
  ["unix:///run/a%20b.sock?db=2", { unixSocket: "/run/a b.sock", db: 2 }],
  ["unix://u:p%40@/run/r.sock", {
    unixSocket: "/run/r.sock",
    username: "u",
    password: "p@",
  }],
  ["unix://:p@/r", { unixSocket: "/r", password: "p" }],
];

Deno.test("readEndpointUrl() reads every part of a URL", () => {
  for (const [url, values] of GOOD) {
    const read = readEndpointUrl(url);
    assertEquals(read.ok && Object.fromEntries(read.values), values, url);
  }
});

/** URL and the complaint. */
const BAD: [url: string, message: string][] = [
  ["http://h", 'found scheme "http", allowed: redis://, rediss:// or unix://'],
  [
    "localhost:6379",
    "found a text of 14 characters that is no URL, allowed: redis://, " +
    "rediss:// or unix://",
  ],
  [
    "",
    "found a text of 0 characters that is no URL, allowed: redis://, rediss:// or " +
    "unix://",
  ],
  ["redis:h", "the URL has no // after redis:"],
  ["redis://h:0", "the URL's port is not from 1 to 65535"],
  [
    "redis://h:65536",
    "the URL cannot be read; a password's special characters are " +
    "written as %XX, a port is a number from 1 to 65535",
  ],
  [
    "redis://h:port",
    "the URL cannot be read; a password's special characters are " +
    "written as %XX, a port is a number from 1 to 65535",
  ],
  [
    "redis://h/abc",
    'the URL\'s path is "abc", allowed: a whole number from 0 to ' +
    "2147483647",
  ],
  [
    "redis://h/1/2",
    'the URL\'s path is "1/2", allowed: a whole number from 0 to ' +
    "2147483647",
  ],
  ["redis://h#1", "the URL contains #; write %23"],
  ["redis://h /", "the URL contains white space; write %20"],
  ["redis://:%zz@h", "the URL's password has a % that is not followed by two digits"],
  [
    "redis://h?max_conections=4",
    'the URL\'s option "max_conections" is not known; did ' +
    'you mean "max_connections"?',
  ],
  [
    "redis://h?max_connections=x",
    'the URL\'s option "max_connections" is "x", allowed: ' +
    "a whole number from 1 to 100000",
  ],
  ["redis://h?password=x", 'the URL\'s option "password" is not known'],
  ["redis://h?tls=true", 'the URL\'s option "tls" is not known'],
  ["redis://h/1?db=2", 'the URL says "db" twice'],
  [
    "unix://run/redis.sock",
    "the URL cannot be read, allowed: unix:///path/to/redis.sock",
  ],
  ["unix:///r?x=1", 'the URL\'s option "x" is not known'],
];

Deno.test("readEndpointUrl() says what is wrong with a URL", () => {
  for (const [url, message] of BAD) {
    const read = readEndpointUrl(url);
    assertEquals(read.ok ? undefined : read.message, message, url);
  }
});

Deno.test("readEndpointUrl() never repeats a password, however it is misplaced", () => {
  const urls = [
    "redis://u:hunter2@h:port",
    "redis://u:hunter2#x@h",
    "redis://u:hunter2 x@h",
    "redis://u:12/hunter2@h",
    "redis://u:12?hunter2@h",
    "redis://u:12?db=hunter2@h",
    "redis://u:%zzhunter2@h",
    "unix://u:hunter2@run",
    "hunter2",
    "hunter2://h",
    "redis:u:hunter2@h",
    "http://u:hunter2@h",
  ];
  for (const url of urls) {
    const read = readEndpointUrl(url);
    assertFalse(read.ok, url);
    // The scheme is shown: it is where a password cannot be by mistake.
    if (url.startsWith("hunter2://")) continue;
    assertFalse(read.message.includes("hunter2"), read.message);
  }
});
