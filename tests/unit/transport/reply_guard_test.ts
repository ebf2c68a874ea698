import { assert, assertEquals, assertStringIncludes, fail } from "@std/assert";
import { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import handlerModule from "ioredis/built/DataHandler.js";
import { ReplyGuard, type ReplyMode } from "../../../src/transport/reply_guard.ts";
import {
  DEFAULT_REPLY_LIMITS,
  type ReplyLimits,
} from "../../../src/transport/reply_types.ts";
import { bytes, seeded, StreamMaker } from "./reply_streams.ts";

interface Outcome {
  refused: boolean;
  replies: number;
  errors: number;
  pushes: number;
  confirmations: number;
  isPartial: boolean;
}

/** The rules that bytes can break, by the text of the refusal. */
const RULES = {
  "type": /unknown type byte|a push frame inside|on a connection in/,
  "line": /in the line of a|a malformed line of|a verbatim string of/,
  "line-end": / was due in a /,
  "push":
    /a push frame without|of a ".*" frame is|a frame's first element|a ".*" frame has/,
  "map-key": /a map's key is an aggregate/,
  "depth": /aggregates nested deeper than/,
  "elements": /(?:aggregate|reply) of \d+ elements/,
  "bulk": /a bulk string of/,
  "line-length": /a line of more than|an error or key of/,
  "reply-bytes": /a reply of \d+ bytes or more/,
} as const;
type Rule = keyof typeof RULES;

function ruleOf(reason: string): Rule | undefined {
  return (Object.keys(RULES) as Rule[]).find((rule) => RULES[rule].test(reason));
}

function offsetOf(reason: string): number {
  return Number(/at byte (\d+)$/.exec(reason)![1]);
}

function makeGuard(limits: Partial<ReplyLimits> = {}): ReplyGuard {
  return new ReplyGuard({ ...DEFAULT_REPLY_LIMITS, ...limits });
}

function run(
  pieces: Uint8Array[],
  limits?: Partial<ReplyLimits>,
  mode: ReplyMode = "replies",
): Outcome & { rule?: Rule; reason: string; sum: number } {
  const guard = makeGuard(limits);
  guard.mode = mode;
  let sum = 0;
  for (const piece of pieces) {
    const found = guard.scan(piece);
    const { replies, errors, pushes, confirmations, isPartial } = guard;
    if (typeof found !== "number") {
      return {
        refused: true,
        replies,
        errors,
        pushes,
        confirmations,
        isPartial,
        sum,
        reason: found,
        rule: ruleOf(found),
      };
    }
    sum += found;
  }
  const { replies, errors, pushes, confirmations, isPartial } = guard;
  return {
    refused: false,
    replies,
    errors,
    pushes,
    confirmations,
    isPartial,
    sum,
    reason: "",
  };
}

function each(all: Uint8Array): Uint8Array[] {
  return Array.from(all, (_, i) => all.subarray(i, i + 1));
}

const NEWS = "$4\r\nnews\r\n";

Deno.test("ReplyGuard.scan() counts complete replies of every type", () => {
  const cases: [string, number][] = [
    ["+OK\r\n", 1],
    ["+\r\n", 1],
    ["+two\nlines\r\n", 1],
    ["-ERR x\r\n", 1],
    ["-\r\n", 1],
    [":0\r\n:-1\r\n:+1\r\n:9223372036854775807\r\n:-9223372036854775808\r\n", 5],
    ["$0\r\n\r\n$5\r\nhello\r\n$2\r\n\r\n\r\n$-1\r\n", 4],
    ["*0\r\n*-1\r\n*1\r\n:1\r\n*2\r\n*1\r\n+a\r\n*0\r\n", 4],
    ["_\r\n#t\r\n#f\r\n", 3],
    [",1\r\n,-1.5\r\n,1.\r\n,1e10\r\n,2.5E-7\r\n,inf\r\n,-inf\r\n,nan\r\n,-nan\r\n", 9],
    ["(123456789012345678901234567890\r\n(-1\r\n", 2],
    ["!5\r\nERR x\r\n=8\r\ntxt:text\r\n=4\r\ntxt:\r\n", 3],
    ["~2\r\n:1\r\n:2\r\n%1\r\n+a\r\n*1\r\n:1\r\n%0\r\n~0\r\n", 4],
    ["*3\r\n:1\r\n", 0],
    ["$5\r\nhell", 0],
  ];
  for (const [text, replies] of cases) {
    for (const pieces of [[bytes(text)], each(bytes(text))]) {
      const outcome = run(pieces);
      assertEquals([outcome.reason, outcome.replies, outcome.sum], [
        "",
        replies,
        replies,
      ]);
    }
  }
});

Deno.test("ReplyGuard.scan() counts errors, pushes and confirmations apart", () => {
  const text = `-ERR x\r\n!1\r\nx\r\n*1\r\n-ERR inside\r\n` +
    `>3\r\n$7\r\nmessage\r\n${NEWS}$2\r\nhi\r\n` +
    `>4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n${NEWS}$2\r\nhi\r\n` +
    `>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n>2\r\n+invalidate\r\n_\r\n` +
    `>3\r\n$9\r\nsubscribe\r\n${NEWS}:1\r\n>3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n`;
  for (const pieces of [[bytes(text)], each(bytes(text))]) {
    const { replies, errors, pushes, confirmations, reason } = run(pieces);
    assertEquals({ replies, errors, pushes, confirmations, reason }, {
      replies: 3,
      errors: 2,
      pushes: 4,
      confirmations: 2,
      reason: "",
    });
  }
});

/** What the parser throws at, or reads as something else, and the rule that it breaks. */
const HOSTILE: readonly (readonly [string, Rule])[] = [
  ["\r\n", "type"],
  ["|1\r\n+a\r\n+b\r\n", "type"],
  ["HTTP/1.1 400 Bad Request\r\n", "type"],
  ["*1\r\n>1\r\n+a\r\n", "type"],
  [":NaN\r\n", "line"],
  [":\r\n", "line"],
  [":-\r\n", "line"],
  [":1-1\r\n", "line"],
  [`:${"1".repeat(21)}\r\n`, "line"],
  ["$\r\n", "line"],
  ["$-2\r\n", "line"],
  ["$-0\r\n", "line"],
  ["$-11\r\n", "line"],
  ["$+1\r\na\r\n", "line"],
  ["$?\r\n", "line"],
  ["*?\r\n", "line"],
  ["*-2\r\n", "line"],
  ["%-1\r\n", "line"],
  ["~-1\r\n", "line"],
  ["!-1\r\n", "line"],
  ["=-1\r\n", "line"],
  ["=3\r\ntxt\r\n", "line"],
  [`$${"9".repeat(16)}\r\n`, "line"],
  ["(12x\r\n", "line"],
  ["(\r\n", "line"],
  ["_x\r\n", "line"],
  ["#x\r\n", "line"],
  ["#tt\r\n", "line"],
  [",\r\n", "line"],
  [",info\r\n", "line"],
  [",nano\r\n", "line"],
  [",1.2.3\r\n", "line"],
  [`,${"1".repeat(65)}\r\n`, "line"],
  ["+a\rb\r\n", "line-end"],
  [":1\rx", "line-end"],
  ["$1\r\nab\r\n", "line-end"],
  ["$1\r\na\rx", "line-end"],
  [">1\r\n_\r\n", "push"],
  [">0\r\n", "push"],
  [">1\r\n:1\r\n", "push"],
  [">1\r\n*0\r\n", "push"],
  [">1\r\n-ERR\r\n", "push"],
  [">1\r\n=11\r\ntxt:message\r\n", "push"],
  [">1\r\n$7\r\nmessage\r\n", "push"],
  [`>2\r\n$7\r\nmessage\r\n${NEWS}`, "push"],
  [`>3\r\n$7\r\nmessage\r\n_\r\n${NEWS}`, "push"],
  [`>3\r\n$8\r\npmessage\r\n${NEWS}${NEWS}`, "push"],
  [`>4\r\n$8\r\npmessage\r\n${NEWS}${NEWS}$-1\r\n`, "push"],
  [">2\r\n$9\r\nsubscribe\r\n_\r\n", "push"],
  [`>3\r\n$9\r\nsubscribe\r\n${NEWS}%0\r\n`, "push"],
  [`>3\r\n+unsubscribe\r\n:1\r\n:0\r\n`, "push"],
  [">-1\r\n", "line"],
  ["%1\r\n%0\r\n:1\r\n", "map-key"],
  ["%1\r\n*1\r\n:1\r\n:1\r\n", "map-key"],
  ["$999999999999\r\n", "bulk"],
  ["$536870913\r\n", "bulk"],
  ["!16777217\r\n", "line-length"],
  ["%1\r\n$16777217\r\n", "line-length"],
  ["*8388609\r\n", "elements"],
  ["%4194305\r\n", "elements"],
  ["*4294967296\r\n", "elements"],
  ["*5000000\r\n*5000000\r\n", "elements"],
  ["*1\r\n".repeat(129), "depth"],
];

Deno.test("ReplyGuard.scan() refuses what would break the parser", () => {
  for (const [text, rule] of HOSTILE) {
    for (const pieces of [[bytes(text)], each(bytes(text)), [bytes(`+OK\r\n${text}`)]]) {
      const outcome = run(pieces);
      assertEquals([text.slice(0, 40), outcome.rule], [text.slice(0, 40), rule]);
    }
  }
});

Deno.test("ReplyGuard.scan() reports position and reason, and refuses all that follows", () => {
  const guard = new ReplyGuard();
  assertEquals(guard.scan(bytes("+OK\r\n")), 1);
  const found = guard.scan(bytes("+OK\r\n|1\r\n"));
  assert(typeof found !== "number");
  assertStringIncludes(found, 'unknown type byte 0x7c "|", an attribute');
  assertStringIncludes(found, "at byte 10");
  assertEquals(guard.scan(bytes("+OK\r\n")), found);
});

Deno.test("ReplyGuard.scan() passes a 1,000,000-element array and a 512 MiB bulk", () => {
  const guard = new ReplyGuard();
  assertEquals(guard.scan(bytes("*1000000\r\n")), 0);
  const items = bytes("$5\r\nhello\r\n".repeat(1000));
  let found = 0;
  for (let i = 0; i < 1000; i++) found += guard.scan(items) as number;
  assertEquals(found, 1);

  assertEquals(guard.scan(bytes("$536870912\r\n")), 0);
  const part = new Uint8Array(1024 * 1024);
  for (let i = 0; i < 512; i++) assertEquals(guard.scan(part), 0);
  assert(guard.isPartial);
  assertEquals(guard.scan(bytes("\r\n+OK\r\n")), 2);
  assert(!guard.isPartial);
});

Deno.test("ReplyGuard.scan() enforces each limit exactly", () => {
  const at = (limits: Partial<ReplyLimits>, text: string) =>
    [[bytes(text)], each(bytes(text))].map((pieces) => run(pieces, limits).rule);
  const nested = (n: number) => "*1\r\n".repeat(n) + ":1\r\n";
  assertEquals(at({ maxDepth: 3 }, nested(3)), [undefined, undefined]);
  assertEquals(at({ maxDepth: 3 }, nested(4)), ["depth", "depth"]);
  assertEquals(at({ maxAggregateElements: 2 }, "%1\r\n+a\r\n+b\r\n"), [
    undefined,
    undefined,
  ]);
  assertEquals(at({ maxAggregateElements: 2 }, "*3\r\n"), ["elements", "elements"]);
  const two = "*2\r\n*1\r\n:1\r\n:1\r\n";
  assertEquals(at({ maxReplyElements: 3 }, two + two), [undefined, undefined]);
  assertEquals(at({ maxReplyElements: 2 }, two), ["elements", "elements"]);
  const failed = "*2\r\n-ERR\r\n!1\r\nx\r\n";
  assertEquals(at({ maxReplyElements: 10 }, failed), [undefined, undefined]);
  assertEquals(at({ maxReplyElements: 9 }, failed), ["elements", "elements"]);
  const bulk = "$10\r\n0123456789\r\n";
  assertEquals(at({ maxBulkBytes: 10 }, bulk), [undefined, undefined]);
  assertEquals(at({ maxBulkBytes: 9 }, bulk), ["bulk", "bulk"]);
  const line = `+${"x".repeat(10)}\r\n`;
  assertEquals(at({ maxLineBytes: 10 }, line), [undefined, undefined]);
  assertEquals(at({ maxLineBytes: 9 }, line), ["line-length", "line-length"]);
  const reply = `*2\r\n${bulk}:1\r\n`;
  assertEquals(at({ maxReplyBytes: reply.length }, reply + reply), [
    undefined,
    undefined,
  ]);
  assertEquals(at({ maxReplyBytes: reply.length - 1 }, reply), [
    "reply-bytes",
    "reply-bytes",
  ]);
});

Deno.test("ReplyGuard.scan() refuses a line or reply that never ends", () => {
  const guard = makeGuard({ maxLineBytes: 100_000 });
  const part = bytes("x".repeat(10_000));
  guard.scan(bytes("+"));
  for (let i = 0; i < 10; i++) assertEquals(guard.scan(part), 0);
  const found = guard.scan(part);
  assert(typeof found !== "number");
  assertEquals(ruleOf(found), "line-length");

  const endless = run([bytes("*8000000\r\n"), bytes("*0\r\n".repeat(30))], {
    maxReplyBytes: 100,
  });
  assertEquals(endless.rule, "reply-bytes");
});

Deno.test("ReplyGuard in RESP2 pub/sub reads arrays as messages", () => {
  const text =
    `*3\r\n$9\r\nsubscribe\r\n${NEWS}:1\r\n*3\r\n$7\r\nmessage\r\n${NEWS}$2\r\nhi\r\n` +
    "*2\r\n$4\r\npong\r\n$0\r\n\r\n-ERR x\r\n";
  const { replies, errors, pushes, confirmations } = run(
    [bytes(text)],
    {},
    "resp2-subscriber",
  );
  assertEquals({ replies, errors, pushes, confirmations }, {
    replies: 2,
    errors: 1,
    pushes: 1,
    confirmations: 1,
  });
  for (const bad of ["*0\r\n", "*1\r\n_\r\n", "*1\r\n$7\r\nmessage\r\n"]) {
    assertEquals(run([bytes(bad)], {}, "resp2-subscriber").rule, "push");
    assertEquals(run([bytes("*0\r\n")]).rule, undefined);
  }
});

Deno.test("ReplyGuard in monitor mode accepts status lines only", () => {
  const text = '+OK\r\n+1700000000.1 [0 127.0.0.1:1] "ping"\r\n-ERR x\r\n';
  assertEquals(run([bytes(text)], {}, "monitor").replies, 3);
  for (const bad of ["_\r\n", "$-1\r\n", ":1\r\n", "*0\r\n"]) {
    assertEquals(run([bytes(bad)], {}, "monitor").rule, "type");
  }
});

Deno.test("ReplyGuard.scan() has the same result wherever the bytes are cut", () => {
  const maker = new StreamMaker(seeded(4));
  for (let n = 0; n < 3000; n++) {
    const all = bytes(n % 2 === 0 ? maker.valid() : maker.mutated());
    const limits = n % 5 === 0
      ? { maxReplyBytes: 300, maxBulkBytes: 200, maxLineBytes: 20, maxReplyElements: 20 }
      : { maxReplyElements: 10_000 };
    const whole = run([all], limits);
    if (n % 2 === 0 && n % 5 > 0) assertEquals(whole.rule, undefined);
    for (const pieces of [each(all), maker.split(all), maker.split(all)]) {
      const cut = run(pieces, limits);
      assertEquals([cut.refused, cut.replies], [whole.refused, whole.replies]);
      if (!whole.refused) {
        assertEquals({ ...cut, sum: 0 }, { ...whole, sum: 0 });
      }
    }
  }
});

/** ioredis' own reply handling, from the parser up: a class that its types call internal. */
const Handler = (handlerModule as unknown as { default: HandlerClass }).default;

type HandlerClass = new (redis: unknown, options: { replyMapping: string }) => {
  dispatch(fn: () => void): void;
  returnPush(reply: unknown): void;
};

interface LibraryOptions {
  replyMapping: "legacy" | "resp3";
  protocol?: 2 | 3;
  status?: "ready" | "monitoring";
  isSubscriber?: boolean;
}

/** A made-up connection under ioredis' reply handling, always with a command in flight. */
class Library {
  readonly failures: unknown[] = [];
  readonly #stream = Object.assign(new EventEmitter(), { resume() {} });
  settled = 0;
  pushed = 0;

  constructor(options: LibraryOptions) {
    const { replyMapping, protocol = 3, status = "ready", isSubscriber = false } =
      options;
    const settle = () => this.settled++;
    const command = { name: "get", args: ["k"], resolve: settle };
    const redis = Object.assign(new EventEmitter(), {
      stream: this.#stream,
      status,
      condition: {
        protocol,
        subscriber: isSubscriber ? { add() {}, del() {} } : false,
      },
      commandQueue: {
        shift: () => ({ command }),
        peekFront: () => undefined,
        unshift: () => {},
      },
      recoverFromFatalError: (error: unknown) => this.failures.push(error),
      handleReconnection: settle,
    });
    redis.on("message", () => {}).on("pmessage", () => {}).on("smessage", () => {});
    const { failures } = this;
    const returned = (settledBefore: number) => {
      this.pushed++;
      this.settled = settledBefore;
    };
    const settledNow = () => this.settled;
    class Watched extends Handler {
      // The real one throws what was caught in a later tick: an uncaught exception.
      override dispatch(fn: () => void): void {
        try {
          fn();
        } catch (error) {
          failures.push(error);
        }
      }
      override returnPush(reply: unknown): void {
        const before = settledNow();
        super.returnPush(reply);
        returned(before);
      }
    }
    new Watched(redis, { replyMapping });
  }

  write(chunk: Uint8Array): void {
    this.#stream.emit("data", Buffer.from(chunk));
  }
}

Deno.test("the parser accepts whatever ReplyGuard.scan() passes, and counts the same", () => {
  const maker = new StreamMaker(seeded(28));
  const limits = { maxReplyElements: 10_000, maxBulkBytes: 1_000_000 };
  let passed = 0;
  let refused = 0;
  for (let n = 0; n < 10_000; n++) {
    const text = [maker.valid(), maker.mutated(), maker.noise()][n % 3]!;
    const guard = makeGuard(limits);
    const library = new Library({
      replyMapping: n % 2 === 0 ? "legacy" : "resp3",
      isSubscriber: n % 5 < 2,
    });
    for (const piece of maker.split(bytes(text))) {
      const found = guard.scan(piece);
      if (typeof found !== "number") {
        assert(n % 3 !== 0, `A valid stream was refused: ${found}`);
        refused++;
        break;
      }
      library.write(piece);
      // The parser gives some replies away a few bytes before their end.
      const isSame = guard.isPartial
        ? library.settled >= guard.replies && library.settled <= guard.begun
        : library.settled === guard.replies &&
          library.pushed === guard.pushes + guard.confirmations;
      if (!isSame || library.failures.length > 0) {
        fail(`case ${n}: ${JSON.stringify(text)}: ${library.failures}`);
      }
    }
    if (!guard.isPartial) passed++;
  }
  // Both ways must have been taken often, or the test has shown nothing.
  assert(passed > 3000, `only ${passed} streams passed`);
  assert(refused > 3000, `only ${refused} streams were refused`);
});

Deno.test("the parser accepts every byte up to the one that ReplyGuard.scan() refuses", () => {
  for (const [text, rule] of HOSTILE) {
    for (const replyMapping of ["legacy", "resp3"] as const) {
      const guard = new ReplyGuard();
      const library = new Library({ replyMapping, isSubscriber: true });
      let refused: Rule | undefined;
      for (const byte of each(bytes(`+OK\r\n${text}`))) {
        const found = guard.scan(byte);
        if (typeof found !== "number") refused = ruleOf(found);
        if (refused !== undefined) break;
        library.write(byte);
      }
      assertEquals([refused, library.failures], [rule, []], text.slice(0, 40));
    }
  }
});

Deno.test("the parser accepts what ReplyGuard.scan() passes in its other modes", () => {
  const maker = new StreamMaker(seeded(2));
  const limits = { maxReplyElements: 10_000 };
  const passed = { "resp2-subscriber": 0, monitor: 0 };
  for (let n = 0; n < 4000; n++) {
    const mode = n % 2 === 0 ? "resp2-subscriber" as const : "monitor" as const;
    const messages = () => (maker.push() + maker.scalar()).replaceAll(">", "*");
    const line = () => `+${maker.noise().replaceAll("\r", "")}\r\n`;
    const text = n % 5 === 0 ? maker.mutated() : mode === "monitor" ? line() : messages();
    const guard = makeGuard(limits);
    guard.mode = mode;
    const library = new Library({
      replyMapping: "legacy",
      protocol: 2,
      isSubscriber: mode !== "monitor",
      status: mode === "monitor" ? "monitoring" : "ready",
    });
    for (const piece of maker.split(bytes(text))) {
      if (typeof guard.scan(piece) !== "number") break;
      library.write(piece);
      if (library.failures.length > 0) {
        fail(`${JSON.stringify(text)}: ${library.failures}`);
      }
    }
    if (guard.replies > 0) passed[mode]++;
  }
  assert(
    passed.monitor > 1000 && passed["resp2-subscriber"] > 1000,
    JSON.stringify(passed),
  );
});

Deno.test("the parser's heap stays bounded by what ReplyGuard.scan() passes", () => {
  const bombs = [
    "*33000000\r\n".repeat(4),
    "*8388608\r\n".repeat(20),
    "%4194304\r\n+k\r\n".repeat(20),
    "*1\r\n".repeat(100_000),
    "*4294967295\r\n",
    "$99999999999\r\n",
    `*8000000\r\n${"-\r\n".repeat(2_000_000)}`,
  ];
  // Of this isolate: other tests may run in this process.
  const memory = () => Deno.memoryUsage().heapTotal + Deno.memoryUsage().external;
  const before = memory();
  for (const bomb of bombs) {
    const guard = new ReplyGuard();
    const library = new Library({ replyMapping: "legacy" });
    const chunk = bytes(bomb);
    const found = guard.scan(chunk);
    assert(typeof found !== "number", `${bomb.slice(0, 20)} was passed`);
    // The worst that a chunk of its own may bring: everything up to the refusal.
    for (const piece of [chunk.subarray(0, Math.min(offsetOf(found), 64 * 1024))]) {
      if (typeof new ReplyGuard().scan(piece) === "number") library.write(piece);
    }
    assertEquals(library.failures, []);
  }
  const grown = (memory() - before) / 1024 / 1024;
  assert(grown < 600, `the heap grew by ${grown} MiB`);
});

Deno.test("ReplyGuard.scan() of two connections keeps their push frames apart", () => {
  const encode = (text: string) => new TextEncoder().encode(text);
  const [one, other] = [new ReplyGuard(), new ReplyGuard()];
  assertEquals(one.scan(encode(">3\r\n$9\r\nsubsc")), 0);
  assertEquals(other.scan(encode(">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n")), 0);
  assertEquals(one.scan(encode("ribe\r\n$1\r\nc\r\n:1\r\n")), 0);
  assertEquals([one.confirmations, one.pushes], [1, 0]);
  assertEquals([other.confirmations, other.pushes], [0, 1]);
});

/** What a guard passes on of the keys of `invalidate` frames, `null` for all keys. */
function invalidations(pieces: readonly Uint8Array[]): (string | null)[] {
  const guard = makeGuard();
  const keys: (string | null)[] = [];
  guard.onInvalidation = (key) => keys.push(key ?? null);
  for (const piece of pieces) assertEquals(typeof guard.scan(piece), "number");
  return keys;
}

Deno.test("ReplyGuard.onInvalidation gets each key, wherever a chunk ends", () => {
  const text = "+OK\r\n>2\r\n$10\r\ninvalidate\r\n*4\r\n$3\r\nfoo\r\n$0\r\n\r\n" +
    "$8\r\n\xef\xbb\xbfk\xc3\xa4s:\r\n$1\r\nx\r\n:1\r\n>2\r\n+invalidate\r\n_\r\n" +
    ">2\r\n$10\r\ninvalidate\r\n*-1\r\n>2\r\n$10\r\ninvalidatf\r\n*1\r\n$1\r\ny\r\n" +
    ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n*1\r\n*1\r\n$1\r\nz\r\n";
  const stream = bytes(text);
  const keys = ["foo", "", "\ufeffkäs:", "x", null, null];
  assertEquals(invalidations([stream]), keys);
  for (let at = 1; at < stream.length; at++) {
    const pieces = [stream.subarray(0, at), stream.subarray(at)];
    assertEquals(invalidations(pieces), keys, `cut at ${at}`);
  }
  const single = Array.from(stream, (_, i) => stream.subarray(i, i + 1));
  assertEquals(invalidations(single), keys);
});

Deno.test("ReplyGuard.onInvalidation keeps no chunk, which its channel uses again", () => {
  const chunk = bytes(">2\r\n$10\r\ninvalidate\r\n*1\r\n$6\r\nabc");
  const guard = makeGuard();
  const keys: (string | undefined)[] = [];
  guard.onInvalidation = (key) => keys.push(key);
  guard.scan(chunk);
  chunk.fill(0);
  guard.scan(bytes("def\r\n"));
  assertEquals(keys, ["abcdef"]);
});
