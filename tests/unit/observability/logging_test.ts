import { assert, assertEquals } from "@std/assert";
import type { ManagerEventMap } from "../../../src/core/events.ts";
import {
  asLogText,
  EventLog,
  type Logger,
  type LogLevel,
} from "../../../src/observability/logging.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";
import { configure, getLogger, type LogRecord, reset } from "npm:@logtape/logtape@^2.4.2";

type Line = [level: LogLevel, message: string, fields: Record<string, unknown>];

const WINDOW_MS = 10_000;

function setup() {
  const clock = new FakeClock();
  const lines: Line[] = [];
  const to = (level: LogLevel) => (message: string, fields: Record<string, unknown>) =>
    lines.push([level, message, fields]);
  const logger = {
    debug: to("debug"),
    info: to("info"),
    warn: to("warn"),
    error: to("error"),
  };
  return { clock, lines, log: new EventLog(logger, clock) };
}

/** One event, and how it is logged. */
type Case = {
  [K in keyof ManagerEventMap]: [K, ManagerEventMap[K], LogLevel, string];
}[keyof ManagerEventMap];

const database = "main";
const endpoint = "127.0.0.1:6379";
const CASES: readonly Case[] = [
  [
    "connection",
    { database, action: "opened", id: 3, endpoint },
    "debug",
    "connection 3 to 127.0.0.1:6379 was opened",
  ],
  [
    "connection",
    {
      database,
      action: "closed",
      id: 3,
      endpoint,
      end: "closed",
      reason: "idle_timeout",
    },
    "info",
    "connection 3 to 127.0.0.1:6379 was closed: idle_timeout",
  ],
  ...(["lost", "silent", "protocol"] as const).map((end): Case => [
    "connection",
    { database, action: "closed", id: 3, endpoint, end, reason: "it broke" },
    "warn",
    "connection 3 to 127.0.0.1:6379 was closed: it broke",
  ]),
  [
    "connection",
    { database, action: "failed", id: 0, endpoint, reason: "connection refused" },
    "warn",
    "no connection to 127.0.0.1:6379 could be opened: connection refused",
  ],
  [
    "breaker",
    { database, from: "closed", to: "open", reason: "failures: refused" },
    "error",
    "circuit breaker went from closed to open: failures: refused",
  ],
  [
    "breaker",
    { database, from: "half_open", to: "closed", reason: "a probe succeeded" },
    "info",
    "circuit breaker went from half_open to closed: a probe succeeded",
  ],
  [
    "statechange",
    { database, from: "healthy", to: "degraded", reason: "3 failures lately" },
    "warn",
    "went from healthy to degraded: 3 failures lately",
  ],
  [
    "statechange",
    { database, from: "degraded", to: "failed", reason: "circuit breaker open" },
    "error",
    "went from degraded to failed: circuit breaker open",
  ],
  [
    "leak",
    { database, kind: "held", heldMs: 1500.4, stack: "Error\n    at here" },
    "warn",
    "a lease is held for 1500 ms; acquired at Error     at here",
  ],
  [
    "leak",
    { database, kind: "collected", heldMs: 20 },
    "warn",
    "a lease was lost after 20 ms without a release",
  ],
  [
    "loading",
    { database, percent: 42.6, etaSeconds: 3, waitedMs: 12.3 },
    "info",
    "the server is loading its data, 43 percent done, 3 s left by its estimate, waited 12 ms",
  ],
  [
    "gap",
    { database, reason: "reconnected", subscriptions: 2, downMs: 50.2 },
    "warn",
    "2 subscriptions may have missed messages (reconnected, not subscribed for 50 ms)",
  ],
  [
    "gap",
    { database, reason: "overflow", subscriptions: 1, lost: 9 },
    "warn",
    "1 subscription may have missed messages (overflow, 9 messages dropped)",
  ],
  [
    "handlererror",
    { database, channel: "news", error: new TypeError("no redis://u:hunter2@h") },
    "error",
    'the handler of "news" threw TypeError: no redis://***@h',
  ],
  [
    "warning",
    { database, message: "maxclients is 10" },
    "warn",
    "maxclients is 10",
  ],
];

for (const [type, detail, level, text] of CASES) {
  Deno.test(`EventLog writes at ${level}: ${text}`, () => {
    const { lines, log } = setup();
    log.add(type, detail);
    assertEquals(lines.length, 1);
    const [[writtenAt, message, fields]] = lines as [Line];
    assertEquals([writtenAt, message], [level, `redis "main": ${text}`]);
    assertEquals([fields.event, fields.database], [type, "main"]);
    assertEquals(JSON.parse(JSON.stringify(fields)), fields);
    assert(!JSON.stringify(lines).includes("hunter2"));
  });
}

Deno.test("EventLog says at the end of a window how many lines of a kind it left out", async () => {
  const { clock, lines, log } = setup();
  const fail = (database: string) =>
    log.add("connection", { database, action: "failed", id: 0, endpoint });
  for (let i = 0; i < 1000; i++) fail("main");
  fail("cache");
  assertEquals(lines.length, 11);
  await clock.advance(WINDOW_MS);
  assertEquals(lines.slice(11), [[
    "warn",
    'redis "main": 990 more lines about "connection failed" left out within 10 s',
    { event: "suppressed", database: "main", what: "connection failed", leftOut: 990 },
  ]]);
  assertEquals(clock.pending, 0);
});

Deno.test("EventLog.flush() says at once what was left out", () => {
  const { clock, lines, log } = setup();
  for (let i = 0; i < 11; i++) log.add("warning", { database, message: "m" });
  log.flush();
  assertEquals(
    lines.at(-1)![1],
    'redis "main": 1 more lines about "warning" left out within 10 s',
  );
  assertEquals(clock.pending, 0);
});

Deno.test("EventLog goes on when the logger throws or rejects", async () => {
  let calls = 0;
  const logger: Logger = {
    debug: () => {},
    info: () => {},
    warn: () => {
      calls++;
      throw new Error("disk full");
    },
    error: () => {
      calls++;
      return Promise.reject(new Error("disk full"));
    },
  };
  const log = new EventLog(logger, new FakeClock());
  const source = new EventTarget();
  log.listen({
    addEventListener: (type, listener) =>
      source.addEventListener(type, listener as EventListener),
  });
  for (const type of ["warning", "handlererror"]) {
    const detail = { database, message: "m", channel: "c", error: "e" };
    source.dispatchEvent(new CustomEvent(type, { detail }));
  }
  // A rejection that nobody handles would fail the test here.
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(calls, 2);
});

Deno.test("EventLog writes to a logger of LogTape, and its braces are no placeholders", async () => {
  const records: LogRecord[] = [];
  await configure({
    sinks: { keep: (record) => records.push(record) },
    loggers: [
      { category: ["app"], sinks: ["keep"], lowestLevel: "debug" },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: [] },
    ],
  });
  const logger: Logger = getLogger(["app", "redis"]);
  const log = new EventLog(logger, new FakeClock());
  log.add("warning", { database, message: "{database} is odd" });
  log.add("connection", { database, action: "opened", id: 1, endpoint });
  await reset();
  assertEquals(records.map(({ level }) => level), ["warning", "debug"]);
  assertEquals(records[0]!.message.join(""), 'redis "main": (database) is odd');
  assertEquals(records[0]!.properties.message, "{database} is odd");
});

/** A logger whose methods are declared as those of `@std/log` are. */
class StdLike {
  readonly written: [level: string, message: unknown, args: unknown[]][] = [];

  debug<T>(msg: () => T, ...args: unknown[]): T | undefined;
  debug<T>(msg: T extends (...args: never) => unknown ? never : T, ...args: unknown[]): T;
  debug(msg: unknown, ...args: unknown[]): unknown {
    return this.#keep("debug", msg, args);
  }

  info<T>(msg: () => T, ...args: unknown[]): T | undefined;
  info<T>(msg: T extends (...args: never) => unknown ? never : T, ...args: unknown[]): T;
  info(msg: unknown, ...args: unknown[]): unknown {
    return this.#keep("info", msg, args);
  }

  warn<T>(msg: () => T, ...args: unknown[]): T | undefined;
  warn<T>(msg: T extends (...args: never) => unknown ? never : T, ...args: unknown[]): T;
  warn(msg: unknown, ...args: unknown[]): unknown {
    return this.#keep("warn", msg, args);
  }

  error<T>(msg: () => T, ...args: unknown[]): T | undefined;
  error<T>(msg: T extends (...args: never) => unknown ? never : T, ...args: unknown[]): T;
  error(msg: unknown, ...args: unknown[]): unknown {
    return this.#keep("error", msg, args);
  }

  #keep(level: string, msg: unknown, args: unknown[]): unknown {
    this.written.push([level, msg, args]);
    return msg;
  }
}

Deno.test("Logger is what console and a logger of @std/log are", () => {
  const std = new StdLike();
  const loggers: Logger[] = [console, std];
  assertEquals(loggers.length, 2);
  new EventLog(std, new FakeClock()).add("warning", { database, message: "odd" });
  assertEquals(std.written, [
    ["warn", 'redis "main": odd', [{ event: "warning", database, message: "odd" }]],
  ]);
});

Deno.test("asLogText() gives one line that no logger takes for a template", () => {
  assertEquals(
    asLogText("a\r\nfake line\u001b[31m {name} 100% %s %d redis://u:p@h"),
    "a fake line [31m (name) 100% % s % d redis://***@h",
  );
});

/** A log of warnings, whose database says their kind. */
function limited() {
  const clock = new FakeClock();
  const reports: [kind: unknown, leftOut: unknown][] = [];
  let lines = 0;
  const warn = (_: string, { event, database, leftOut }: Record<string, unknown>) => {
    if (event === "suppressed") reports.push([database, leftOut]);
    else lines++;
  };
  const log = new EventLog({ debug: warn, info: warn, warn, error: warn }, clock);
  const admitted = (database: string, times: number) => {
    const before = lines;
    for (let i = 0; i < times; i++) log.add("warning", { database, message: "odd" });
    return lines - before;
  };
  return { clock, reports, log, admitted };
}

Deno.test("EventLog writes ten lines of a kind, and those of other kinds", () => {
  const { admitted } = limited();
  assertEquals(admitted("a", 25), 10);
  assertEquals(admitted("b", 3), 3);
});

Deno.test("EventLog says once, when the window ends, how many lines it left out", async () => {
  const { clock, reports, admitted } = limited();
  admitted("a", 12);
  await clock.advance(WINDOW_MS - 1);
  assertEquals(admitted("a", 5), 0);
  assertEquals(reports, []);
  await clock.advance(1);
  assertEquals(reports, [["a", 7]]);
  assertEquals(admitted("a", 11), 10);
  assertEquals(clock.pending, 1);
});

Deno.test("EventLog needs no timer as long as nothing is left out", async () => {
  const { clock, reports, admitted } = limited();
  assertEquals(admitted("a", 10), 10);
  assertEquals(clock.pending, 0);
  await clock.advance(WINDOW_MS);
  assertEquals(admitted("a", 10), 10);
  assertEquals([clock.pending, reports], [0, []]);
});

Deno.test("EventLog ends a window that is over, although its timer is late", async () => {
  const { clock, reports, admitted } = limited();
  admitted("a", 13);
  clock.freeze(WINDOW_MS * 3);
  assertEquals(admitted("a", 1), 1);
  assertEquals([reports, clock.pending], [[["a", 3]], 0]);
  await clock.advance(WINDOW_MS);
  assertEquals(reports.length, 1);
});

Deno.test("EventLog.flush() says what was left out, and leaves no timer", () => {
  const { clock, reports, log, admitted } = limited();
  admitted("a", 11);
  admitted("b", 12);
  admitted("c", 1);
  log.flush();
  assertEquals(reports, [["a", 1], ["b", 2]]);
  assertEquals(clock.pending, 0);
  log.flush();
  assertEquals(reports.length, 2);
});
