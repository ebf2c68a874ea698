import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import type { Command } from "../../../src/connection/ioredis.ts";
import { type FakeConnection, makeStage, type Stage } from "./_stage.ts";

/** Answers what was sent, by a connection; gives how many commands that were. */
function answer(
  stage: Stage,
  connection: FakeConnection,
  reply: (name: string, args: unknown[]) => unknown,
): number {
  const sent = stage.takeSent();
  for (const command of sent) stage.sentOn(command, connection);
  for (const command of sent) command.resolve(reply(command.name, command.args));
  return sent.length;
}

async function stageWith(...args: Parameters<typeof makeStage>) {
  const stage = makeStage(...args);
  const connection = stage.connect();
  await stage.track(connection);
  return { stage, connection };
}

const bytes = (text: string) => Buffer.from(text);

Deno.test("10,000 callers of one key make one request, also when it fails", async () => {
  const { stage, connection } = await stageWith();
  const calls = Array.from({ length: 10_000 }, () => stage.get("k"));
  assertEquals(answer(stage, connection, () => bytes("v")), 1);
  assertEquals(new Set(await Promise.all(calls)), new Set(["v"]));
  assertEquals(stage.counts.nearCacheMisses, 1);
  assertEquals(stage.counts.nearCacheHits, 9999);

  const failing = Array.from({ length: 3 }, () => stage.get("other"));
  const [sent] = stage.takeSent();
  stage.sentOn(sent!, connection);
  sent!.reject(new Error("lost"));
  const outcomes = await Promise.allSettled(failing);
  const lost = outcomes.filter((outcome) =>
    outcome.status === "rejected" && outcome.reason.message === "lost"
  );
  assertEquals(lost.length, 3);
  assertEquals(stage.counts.failedOperations, 2, "the first is counted by its owner");
  const again = stage.get("other");
  assertEquals(answer(stage, connection, () => bytes("w")), 1);
  assertEquals(await again, "w");
});

Deno.test("a call with a deadline or a signal waits for no other call, nor lets one wait", async () => {
  const { stage, connection } = await stageWith();
  const calls = [
    stage.get("k"),
    stage.get("k", { timeoutMs: 5 }),
    stage.get("k", { signal: new AbortController().signal }),
    stage.get("k"),
    stage.get("k"),
  ];
  assertEquals(answer(stage, connection, () => bytes("v")), 4);
  assertEquals(await Promise.all(calls), Array(5).fill("v"));
  assertEquals(await stage.get("k", { timeoutMs: 5 }), "v");
  assertEquals(stage.takeSent(), []);
  // What rejects it is not the cache's business.
  void stage.get("k", { signal: AbortSignal.abort() });
  assertEquals(stage.takeSent().length, 1);
});

Deno.test("with({ fresh }) asks the server, and its answer is kept", async () => {
  const { stage, connection } = await stageWith();
  void stage.get("k");
  answer(stage, connection, () => bytes("old"));
  const fresh = stage.get("k", { fresh: true });
  const joined = stage.get("k");
  assertEquals(answer(stage, connection, () => bytes("new")), 1);
  assertEquals(await Promise.all([fresh, joined, stage.get("k")]), ["new", "new", "new"]);
  assertEquals(stage.takeSent(), []);
});

Deno.test("callers who change their replies do not change what others get", async () => {
  const { stage, connection } = await stageWith();
  const hash = () => stage.call("hgetall", ["h"]) as Promise<Record<string, string>>;
  const fields = [bytes("a"), bytes("1"), bytes("__proto__"), bytes("2")];
  const calls = [hash(), hash()];
  answer(stage, connection, () => fields.map((each) => bytes(`${each}`)));
  for (const got of [...await Promise.all(calls), await hash(), await hash()]) {
    assertEquals(Object.entries(got), [["a", "1"], ["__proto__", "2"]]);
    assertStrictEquals(Object.getPrototypeOf(got), Object.prototype);
    got.a = "changed";
    got.b = "new";
  }
  const raw = () => stage.call("getrange", ["k", 0, 2], {}, null) as Promise<Buffer>;
  const first = raw();
  answer(stage, connection, () => bytes("abc"));
  for (const got of [await first, await raw(), await raw()]) {
    assert(got instanceof Buffer);
    assertEquals(got.toString(), "abc");
    got.fill(0);
  }
  const list = () => stage.call("lrange", ["l", 0, -1], {}, null) as Promise<Buffer[]>;
  const lists = [list(), list()];
  answer(stage, connection, () => [bytes("x"), bytes("y")]);
  for (const got of [...await Promise.all(lists), await list()]) {
    assertEquals(got.map(String), ["x", "y"]);
    got[0]!.fill(0);
    got.pop();
  }
});

Deno.test("a loop of nothing but hits sees what the socket has", async () => {
  const { stage, connection } = await stageWith();
  void stage.get("flag");
  answer(stage, connection, () => bytes("off"));
  setTimeout(() => {
    connection.changed("flag");
    setTimeout(() => answer(stage, connection, () => bytes("on")));
  });
  let reads = 0;
  while (await stage.get("flag") === "off") assert(++reads < 100_000_000);
});

Deno.test("text and bytes, and other arguments, are other calls", async () => {
  const { stage, connection } = await stageWith();
  const calls: [string, unknown[], "utf8" | null][] = [
    ["get", ["k"], "utf8"],
    ["get", ["k"], null],
    ["getrange", ["k", "1", "23"], "utf8"],
    ["getrange", ["k", "12", "3"], "utf8"],
    ["hmget", ["k", "a 1:b"], "utf8"],
    ["hmget", ["k", "a", "b"], "utf8"],
  ];
  let count = 0;
  for (const [name, args, encoding] of calls) {
    const first = stage.call(name, args, {}, encoding);
    const text = `${++count}`;
    assertEquals(answer(stage, connection, () => bytes(text)), 1);
    const found = [await first, await stage.call(name, args, {}, encoding)];
    assertEquals(found.map(String), [text, text]);
  }
  assertEquals(stage.takeSent(), []);
  // Bytes may stand for a text, or for none.
  void stage.call("get", [bytes("k")]);
  void stage.call("get", ["\ud800"]);
  assertEquals(stage.takeSent().length, 2);
});

Deno.test("MGET is answered key by key", async () => {
  const { stage, connection } = await stageWith();
  const mget = (...keys: string[]) => stage.call("mget", keys);
  const reply = (_: string, args: unknown[]) =>
    args.map((key) => key === "none" ? null : bytes(`${key}!`));
  const first = mget("a", "none");
  assertEquals(answer(stage, connection, reply), 1);
  assertEquals(await first, ["a!", null]);
  assertEquals(await stage.get("a"), "a!");
  assertEquals(await mget("none", "a", "a"), [null, "a!", "a!"]);
  assertEquals(stage.takeSent(), []);
  // Only GET tells whether there is nothing, or no string.
  void stage.get("none");
  assertEquals(answer(stage, connection, () => null), 1);

  const second = mget("a", "b", "none", "b");
  const [sent] = stage.takeSent();
  assertEquals([sent!.name, sent!.args], ["mget", ["b"]]);
  connection.changed("b");
  stage.sentOn(sent!, connection);
  sent!.resolve([bytes("b!")]);
  assertEquals(await second, ["a!", "b!", null, "b!"]);
  const third = mget("a", "b");
  assertEquals(answer(stage, connection, reply), 1, "b changed before its reply came");
  assertEquals(await third, ["a!", "b!"]);
  const failing = mget("a", "c");
  stage.takeSent()[0]!.reject(new Error("lost"));
  await assertRejects(() => failing, Error, "lost");
});

Deno.test("MGET that several connections answer is forgotten with each of them", async () => {
  const { stage, connection } = await stageWith();
  const other = stage.connect();
  await stage.track(other);
  const read = async (before = () => {}) => {
    const reading = stage.call("mget", ["a", "b"], { fresh: true });
    const [sent] = stage.takeSent();
    before();
    sent!.answeredBy = [connection, other] as never;
    sent!.resolve([bytes("a!"), bytes("b!")]);
    assertEquals(await reading, ["a!", "b!"]);
    return stage.cache.size.entries;
  };
  assertEquals(await read(), 2);
  stage.cache.forgetReadsOf(other);
  assertEquals(stage.cache.size.entries, 1);
  assertEquals(await stage.get("a"), "a!");
  assertEquals(await read(() => stage.cache.forgetReadsOf(other)), 0);
  other.end();
  assertEquals(await read(), 1);
});

Deno.test("writes are forgotten when they are sent, and when they are answered", async () => {
  const { stage, connection } = await stageWith();
  const { call, counts } = stage;
  const read = async (reply: string) => {
    const reading = stage.get("k");
    const asked = answer(stage, connection, () => bytes(reply));
    assertEquals(await reading, reply);
    return asked;
  };
  const writes: [string, unknown[]][] = [
    ["set", ["k", "1"]],
    ["SET", [bytes("k"), "1"]],
    ["rename", ["x", "k"]],
    ["eval", ["return 1", 1, "k"]],
    ["eval", ["redis.call('set', 'k', 1)", 0]],
    ["flushall", []],
    ["swapdb", [0, 1]],
    ["module.unknown", ["k"]],
    ["json.set", ["k", "$", "1"]],
    ["bitop", ["and", "k", "x"]],
    ["lmpop", [1, "k", "left"]],
  ];
  for (const [name, args] of writes) {
    stage.cache.forget(["k"]);
    await read("before");
    assertEquals(await read("before"), 0);
    const writing = call(name, args);
    const [sent] = stage.takeSent();
    assertEquals(await read("sent"), 1, `${name}, when sent`);
    stage.sentOn(sent!, connection);
    sent!.resolve(bytes("OK"));
    await writing;
    assertEquals(await read("after"), 1, `${name}, when answered`);
  }
  for (const [name, args] of [["publish", ["c", "m"]], ["ttl", ["k"]], ["ping", []]]) {
    void call(name as string, args as unknown[]);
    answer(stage, connection, () => 1);
    assertEquals(await read("after"), 0, `${name} changes nothing`);
  }
  assertEquals(counts.nearCacheInvalidated, 0, "what is written is no announcement");
});

Deno.test("what a transaction queues is forgotten when EXEC is answered", async () => {
  const { stage, connection } = await stageWith();
  const read = async (reply: string) => {
    const reading = stage.get("k");
    const asked = answer(stage, connection, () => bytes(reply));
    assertEquals(await reading, reply);
    return asked;
  };
  const session = {};
  const send = (name: string, ...args: unknown[]) => {
    const command = stage.make(name, args) as unknown as Command;
    stage.writes.sendsOn(session, command);
    command.resolve(bytes("OK"));
  };
  send("multi");
  send("set", "k", "1");
  assertEquals(await read("old"), 1);
  assertEquals(await read("old"), 0);
  send("exec");
  assertEquals(await read("new"), 1);
  send("multi");
  send("set", "k", "2");
  await read("new");
  send("discard");
  assertEquals(await read("new"), 0);

  const batch = [["multi"], ["set", "k", "3"], ["exec"]].map(([name, ...args]) =>
    stage.make(name!, args) as unknown as Command
  );
  stage.route.dispatchBatch(batch);
  const sent = stage.takeSent();
  for (const command of sent.slice(0, 2)) command.resolve(bytes("QUEUED"));
  assertEquals(await read("new"), 1);
  stage.sentOn(sent[2]!, connection);
  sent[2]!.resolve([bytes("OK")]);
  assertEquals(await read("newest"), 1);
});

Deno.test("a flush push, another server, moved keys and a lost connection are forgotten", async () => {
  const { stage, connection } = await stageWith();
  const other = stage.connect();
  await stage.track(other);
  const fill = () => {
    for (const [key, by] of [["a", connection], ["b", other], ["c", other]] as const) {
      void stage.get(key);
      answer(stage, by, () => bytes("v"));
    }
    return stage.cache.size.entries;
  };
  assertEquals(fill(), 3);
  connection.changed(undefined);
  assertEquals([stage.cache.size.entries, stage.counts.nearCacheInvalidated], [0, 3]);
  assertEquals(fill(), 3);
  stage.cache.forgetWhere((key) => key > "a");
  assertEquals([stage.cache.size.entries, fill()], [1, 3]);
  other.end();
  assertEquals([stage.cache.size.entries, stage.counts.nearCacheInvalidated], [1, 7]);
  // Of a connection that has ended nothing is kept.
  assertEquals(fill(), 1);
  stage.cache.serverChanged([connection]);
  assertEquals([stage.cache.size.entries, fill()], [0, 0]);
  stage.cache.close();
  assertEquals([stage.cache.size.entries, stage.cache.size.bytes], [0, 0]);
});

Deno.test("what is older than ttl is asked for anew", async () => {
  const { stage, connection } = await stageWith({ ttlMs: 1000 });
  const read = () => (void stage.get("k"), answer(stage, connection, () => bytes("v")));
  assertEquals([read(), read()], [1, 0]);
  connection.lastReceivedAt = 1e9;
  await stage.clock.advance(999);
  assertEquals(read(), 0);
  await stage.clock.advance(1);
  assertEquals([read(), read()], [1, 0]);
});

Deno.test("with prefixes the server announces all changes, and other keys are not kept", async () => {
  const { stage, connection } = await stageWith({ prefixes: ["u:", "s:"] }, "app:");
  const [tracking] = connection.sent;
  assertEquals(tracking, "client tracking on bcast prefix app:u: prefix app:s:");
  const read = (key: string) => {
    void stage.get(key);
    return answer(stage, connection, () => bytes("v"));
  };
  assertEquals([read("u:1"), read("u:1"), read("x:1"), read("x:1")], [1, 0, 1, 1]);
  connection.changed("app:u:1");
  assertEquals(read("u:1"), 1);
});

Deno.test("without announcements nothing is kept, which is said once", async () => {
  const stage = makeStage();
  const refusing = [stage.connect(), stage.connect(), stage.connect()];
  refusing[0]!.answer = { error: new Error("NOPERM no permission") };
  refusing[1]!.answer = { error: new Error("NOPERM no permission") };
  refusing[2]!.redis.condition.protocol = 2;
  for (const connection of refusing) await stage.track(connection);
  assertEquals(stage.warnings, [
    "the near cache keeps nothing, as the server does not announce changes: " +
    "NOPERM no permission",
  ]);
  for (let i = 0; i < 2; i++) {
    void stage.get("k");
    void stage.get("k");
    assertEquals(answer(stage, refusing[0]!, () => bytes("v")), 2);
  }
  assertEquals(stage.counts.nearCacheMisses, 0);
  // Another server does.
  const connection = stage.connect();
  await stage.track(connection);
  void stage.get("k");
  answer(stage, connection, () => bytes("v"));
  assertEquals(stage.cache.size.entries, 1);
});

Deno.test("what a connection has read is forgotten if it is silent, until it answers", async () => {
  const { stage, connection } = await stageWith();
  const read = () => (void stage.get("k"), answer(stage, connection, () => bytes("v")));
  read();
  await stage.clock.advance(1000);
  assertEquals(connection.sent.at(-1), "ping");
  assertEquals(read(), 0);
  connection.lives = false;
  await stage.clock.advance(1000);
  assertEquals(stage.cache.size.entries, 0);
  assertEquals(read(), 1);
  connection.lives = true;
  await stage.clock.advance(5000);
  assertEquals(read(), 0);
  // As long as nothing is kept nobody is asked.
  connection.changed(undefined);
  await stage.clock.advance(1000);
  const { length } = connection.sent;
  await stage.clock.advance(60_000);
  assertEquals([connection.sent.length, stage.clock.pending], [length, 0]);
});
