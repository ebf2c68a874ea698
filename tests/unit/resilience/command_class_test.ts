import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  blockingTimeoutMs,
  type CommandClass,
  CommandClassifier,
} from "../../../src/resilience/command_class.ts";

const FLAGS: Record<string, string[]> = {
  get: ["readonly", "fast"],
  mget: ["readonly"],
  set: ["write"],
  client: [],
  wait: ["blocking"],
  xread: ["readonly", "blocking"],
  xreadgroup: ["write", "blocking"],
  blpop: ["write", "blocking"],
  bnew: ["write", "blocking"],
  subscribe: ["pubsub", "noscript"],
  publish: ["pubsub"],
  eval: ["noscript"],
  ping: ["fast"],
};

function classifier() {
  return new CommandClassifier((name) => FLAGS[name]);
}

Deno.test("CommandClassifier.resolve() classifies by name and arguments", () => {
  const cases: [string, unknown[], CommandClass, boolean][] = [
    ["get", ["k"], "read", true],
    ["GET", ["k"], "read", true],
    ["set", ["k", "v"], "write", false],
    ["ping", [], "read", true],
    ["publish", ["c", "m"], "write", false],
    ["eval", ["return 1", 0], "write", false],
    ["evalsha", ["abc", 0], "write", false],
    ["fcall", ["f", 0], "write", false],
    ["eval_ro", ["return 1", 0], "read", true],
    ["evalsha_ro", ["abc", 0], "read", true],
    ["FCALL_RO", ["f", 0], "read", true],
    ["my.module.cmd", ["x"], "write", false],
    ["blpop", ["k", 0], "blocking", false],
    ["bnew", ["k", 0], "blocking", false],
    ["wait", [1, 0], "blocking", true],
    ["waitaof", [1, 0, 0], "blocking", true],
    ["xread", ["STREAMS", "block", "0"], "read", true],
    ["xread", ["COUNT", 2, "BLOCK", 0, "STREAMS", "s", "$"], "blocking", true],
    [
      "xread",
      [new TextEncoder().encode("block"), 5, "STREAMS", "s", "$"],
      "blocking",
      true,
    ],
    ["xreadgroup", ["GROUP", "block", "block", "STREAMS", "s", ">"], "write", false],
    [
      "xreadgroup",
      ["GROUP", "g", "c", "NOACK", "BLOCK", "9", "STREAMS", "s", ">"],
      "blocking",
      false,
    ],
    ["subscribe", ["c"], "subscribe", false],
    ["PUNSUBSCRIBE", [], "subscribe", false],
    ["select", [1], "stateful", false],
    ["multi", [], "stateful", false],
    ["client", ["ID"], "read", true],
    ["client", ["list"], "read", true],
    ["CLIENT", ["Reply", "OFF"], "stateful", false],
    ["client", ["no-evict", "on"], "stateful", false],
    ["client", ["KILL", "id", 1], "write", false],
    ["client", [], "write", false],
    ["config", ["GET", "*"], "read", true],
    ["config", ["SET", "a", "b"], "write", false],
    ["script", ["EXISTS", "x"], "read", true],
    ["script", ["LOAD", "x"], "write", false],
    ["script", ["DEBUG", "YES"], "stateful", false],
    ["function", ["LIST"], "read", true],
    ["function", ["FLUSH"], "write", false],
    ["object", ["ENCODING", "k"], "read", true],
    ["memory", ["USAGE", "k"], "read", true],
    ["memory", ["PURGE"], "write", false],
    ["xinfo", ["STREAM", "s"], "read", true],
    ["xgroup", ["CREATE", "s", "g", "$"], "write", false],
    ["xgroup", ["NOSUCH"], "write", false],
  ];
  const commands = classifier();
  for (const [name, args, kind, isRead] of cases) {
    const info = commands.resolve(name, args);
    assertEquals([name, args, info.class, info.isRead], [name, args, kind, isRead]);
  }
});

Deno.test("CommandClassifier.lookup() gives the same frozen object for every spelling", () => {
  const commands = classifier();
  const info = commands.lookup("get");
  assertEquals(commands.lookup("get") === info, true);
  assertEquals(commands.lookup("GET") === info, true);
  assertEquals(commands.lookup("GeT") === info, true);
  assert(Object.isFrozen(info));
  assertEquals([info.isByArgs, commands.lookup("client").isByArgs], [false, true]);
});

Deno.test("CommandClassifier.lookup() asks for flags once a name, and forgets made-up ones", () => {
  let asked = 0;
  const commands = new CommandClassifier(() => {
    asked++;
    return undefined;
  });
  for (let i = 0; i < 10; i++) commands.lookup("set");
  assertEquals(asked, 1);
  for (let i = 0; i < 5000; i++) commands.lookup(`made-up-${i}`);
  const before = asked;
  commands.lookup("made-up-0");
  assertEquals(asked, before);
  // Not remembered, so that made-up names cannot fill the memory: asked for again.
  commands.lookup("made-up-4999");
  assertEquals(asked, before + 1);
});

Deno.test("CommandClassifier names the right call in place of a stateful command", () => {
  const commands = classifier();
  const cases: [string, unknown[], string][] = [
    ["select", [1], "manager.acquire()"],
    ["auth", ["x"], "password"],
    ["multi", [], "manager.transaction()"],
    ["watch", ["k"], "manager.transaction()"],
    ["subscribe", ["c"], "manager.subscribe()"],
    ["unsubscribe", [], "unsubscribe()"],
    ["monitor", [], "manager.acquire()"],
    ["quit", [], "manager.closeAll()"],
    ["client", ["TRACKING", "on"], "manager.acquire()"],
    ["wait", [1, 0], "on the client"],
  ];
  for (const [name, args, text] of cases) {
    assertStringIncludes(commands.resolve(name, args).advice ?? "", text);
  }
  assertEquals(commands.lookup("get").advice, undefined);
});

Deno.test("CommandClassifier says which commands run scripts and which look up one value", () => {
  const commands = classifier();
  const scripts = ["eval", "evalsha", "fcall", "eval_ro", "get"];
  assertEquals(scripts.map((name) => commands.lookup(name).isScript), [
    true,
    true,
    true,
    true,
    false,
  ]);
  const lookups = ["get", "hget", "getex", "mget", "lpop", "blpop", "set"];
  assertEquals(lookups.map((name) => commands.lookup(name).isNilMiss), [
    true,
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
});

Deno.test("blockingTimeoutMs() reads the timeout of every blocking command", () => {
  const cases: [string, unknown[], number | undefined][] = [
    ["blpop", ["a", "b", 3], 3000],
    ["BRPOP", ["a", "0.25"], 250],
    ["blmove", ["a", "b", "LEFT", "RIGHT", 1], 1000],
    ["brpoplpush", ["a", "b", 0], Infinity],
    ["bzpopmin", ["z", "0"], Infinity],
    ["bzpopmax", ["z", new TextEncoder().encode("2")], 2000],
    ["blmpop", [1.5, 1, "a", "LEFT"], 1500],
    ["bzmpop", ["0", 1, "a", "MIN"], Infinity],
    ["blmovem", ["a", "b", "LEFT", "LEFT", 2, "COUNT", 3, "OBO"], 2000],
    ["wait", [1, 500], 500],
    ["waitaof", [1, 0, 0], Infinity],
    ["xread", ["BLOCK", 250, "STREAMS", "s", "$"], 250],
    ["xread", ["count", 1, "block", "0", "streams", "s", "$"], Infinity],
    ["xread", ["STREAMS", "s", "0"], undefined],
    ["xreadgroup", ["GROUP", "g", "c", "BLOCK", 10, "STREAMS", "s", ">"], 10],
    ["xreadgroup", ["GROUP", "BLOCK", "5", "STREAMS", "s", ">"], undefined],
    ["get", ["k"], undefined],
    ["blpop", [], undefined],
    ["blpop", ["k", -1], undefined],
    ["blpop", ["k", "soon"], undefined],
    ["blpop", ["k", ""], undefined],
  ];
  for (const [name, args, expected] of cases) {
    assertEquals([name, args, blockingTimeoutMs(name, args)], [name, args, expected]);
  }
});
