import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { RespClient } from "../../../src/testing/resp_client.ts";
import { deliveryOf, Ledger, TokenLedger } from "../../support/accounting.ts";

/** An error as the client under test throws it. */
function failure(delivery: string): Error {
  return Object.assign(new Error(delivery), { delivery });
}

async function counterOf(server: RedisServer, name: string): Promise<number> {
  return Number(await server.cli("GET", name) ?? 0);
}

Deno.test("Ledger finds an honest client right, whatever became of the ambiguous", async () => {
  const ledger = new Ledger();
  assertEquals(await ledger.run("n", () => Promise.resolve(1)), "acknowledged");
  assertEquals(await ledger.run("n", () => Promise.resolve(2)), "acknowledged");
  for (const delivery of ["ambiguous", "never-sent", "rejected"]) {
    assertEquals(
      await ledger.run("n", () => Promise.reject(failure(delivery))),
      delivery,
    );
  }
  ledger.record("m", "acknowledged", 5);
  for (const applied of [2, 3]) {
    const verdict = await ledger.assert((name) => name === "n" ? applied : 5);
    assert(verdict.ok);
    assertEquals(verdict.counters[0], {
      name: "n",
      acknowledged: 2,
      ambiguous: 1,
      neverSent: 1,
      rejected: 1,
      applied,
      lost: 0,
      doubles: 0,
      pending: 0,
      repeatedReplies: [],
    });
    assertEquals([verdict.acknowledged, verdict.applied], [7, applied + 5]);
  }
});

Deno.test("Ledger finds a lost and a double increment, in any counter", async () => {
  const ledger = new Ledger();
  ledger.record("a", "acknowledged", 10);
  ledger.record("a", "ambiguous", 2);
  ledger.record("b", "acknowledged", 1);
  const lost = await ledger.verdict((name) => name === "a" ? 9 : 1);
  assertEquals([lost.ok, lost.lost, lost.doubles], [false, 1, 0]);
  const double = await ledger.verdict((name) => name === "a" ? 13 : 1);
  assertEquals([double.ok, double.lost, double.doubles], [false, 0, 1]);
  // A loss in one counter and a double in another do not balance.
  const both = await ledger.verdict((name) => name === "a" ? 9 : 2);
  assertEquals([both.ok, both.lost, both.doubles], [false, 1, 1]);
  const error = await assertRejects(
    () => ledger.assert((name) => name === "a" ? 13 : 1),
    Error,
    "The books and the server disagree",
  );
  assertStringIncludes(error.message, "doubles: 1");
  assert(!error.message.includes(`name: "b"`));
});

Deno.test("Ledger finds what never settled, what cannot be read, and repeated replies", async () => {
  const ledger = new Ledger();
  let settle = (_reply: number) => {};
  const run = ledger.run("n", () => new Promise((resolve) => settle = resolve));
  assertEquals([
    (await ledger.verdict(() => 0)).ok,
    (await ledger.verdict(() => 0)).pending,
  ], [
    false,
    1,
  ]);
  settle(1);
  await run;
  assertEquals((await ledger.verdict(() => 1)).ok, true);
  assertEquals((await ledger.verdict(() => NaN)).ok, false);
  await ledger.run("n", () => Promise.resolve(1));
  const verdict = await ledger.verdict(() => 2);
  assertEquals([verdict.ok, verdict.repeatedReplies], [false, [1]]);
  const careless = new Ledger({ keepReplies: false });
  for (let i = 0; i < 2; i++) await careless.run("n", () => Promise.resolve(1));
  assert((await careless.verdict(() => 2)).ok);
});

Deno.test("Ledger.run() throws on an error that says nothing of its delivery", async () => {
  const ledger = new Ledger();
  const cause = new TypeError("socket hang up");
  const error = await assertRejects(
    () => ledger.run("n", () => Promise.reject(cause)),
    Error,
    "Cannot tell the delivery of a failed increment: TypeError: socket hang up",
  );
  assertEquals(error.cause, cause);
  const { ambiguous, pending } = await ledger.verdict(() => 0);
  assertEquals([ambiguous, pending], [1, 0]);
  await assertRejects(() => ledger.run("n", () => Promise.reject(failure("perhaps"))));
  assertEquals(deliveryOf(failure("never-sent")), "never-sent");
});

Deno.test("TokenLedger judges each write alone", async () => {
  const ledger = new TokenLedger();
  const plan = ["ok", "ok", "ok", "ambiguous", "ambiguous", "never-sent", "rejected"];
  for (const delivery of plan) {
    await ledger.run(() =>
      delivery === "ok" ? Promise.resolve() : Promise.reject(failure(delivery))
    );
  }
  assertEquals(ledger.verdict(["t0", "t1", "t2", "t3"]), {
    ok: true,
    lost: [],
    doubles: [],
    ghosts: [],
    strangers: [],
    pending: [],
    ambiguousApplied: 1,
    ambiguousLost: 1,
  });
  // Four acknowledged or ambiguous writes were done: a mere count would be content.
  const verdict = ledger.verdict(["t0", "t0", "t2", "t5", "x"]);
  assertEquals(verdict.ok, false);
  assertEquals([verdict.lost, verdict.doubles], [["t1"], ["t0"]]);
  assertEquals([verdict.ghosts, verdict.strangers], [["t5"], ["x"]]);
  void ledger.run(() => new Promise(() => {}));
  assertEquals(ledger.verdict(["t0", "t1", "t2"]).pending, ["t7"]);
});

/** Increments through a relay that swallows every third reply; retries if told to. */
async function incrementThroughFaults(
  options: { retries: boolean; lies: boolean },
): Promise<
  { counted: Ledger; tokens: TokenLedger; server: RedisServer; end: AsyncDisposable }
> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await RedisServer.start());
  const relay = stack.use(await FaultProxy.start({ to: server }));
  const counted = new Ledger();
  const tokens = new TokenLedger();
  let calls = 0;
  const once = async (swallow: boolean, command: string[]) => {
    relay.set({
      toClient: swallow ? { kind: "cut", afterBytes: 0, how: "reset" } : { kind: "pass" },
    });
    using client = await RespClient.connect({ hostname: relay.host, port: relay.port });
    return await client.send(...command);
  };
  const write = async (command: string[]) => {
    const swallow = ++calls % 3 === 0;
    try {
      return await once(swallow, command);
    } catch {
      if (options.retries) return await once(false, command);
      throw failure(options.lies ? "never-sent" : "ambiguous");
    }
  };
  for (let i = 0; i < 12; i++) {
    await counted.run("n", () => write(["INCR", "n"]));
    await tokens.run((token) => write(["RPUSH", "log", token]));
  }
  return { counted, tokens, server, end: stack.move() };
}

async function logOf(server: RedisServer): Promise<string[]> {
  const log = await server.cli("LRANGE", "log", 0, -1);
  return Array.isArray(log) ? log.map(String) : [];
}

Deno.test("Ledgers find a client right that reports swallowed replies as ambiguous", async () => {
  const { counted, tokens, server, end } = await incrementThroughFaults({
    retries: false,
    lies: false,
  });
  await using _end = end;
  const verdict = await counted.assert((name) => counterOf(server, name));
  assertEquals([verdict.acknowledged, verdict.ambiguous, verdict.applied], [8, 4, 12]);
  assertEquals(tokens.verdict(await logOf(server)).ok, true);
});

Deno.test("Ledgers catch a client that retries a write whose reply was swallowed", async () => {
  const { counted, tokens, server, end } = await incrementThroughFaults({
    retries: true,
    lies: false,
  });
  await using _end = end;
  const verdict = await counted.verdict((name) => counterOf(server, name));
  assertEquals([verdict.ok, verdict.acknowledged, verdict.applied], [false, 12, 16]);
  assertEquals(verdict.doubles, 4);
  assertEquals(tokens.verdict(await logOf(server)).doubles.length, 4);
});

Deno.test("Ledgers catch a client that calls a write never sent which was done", async () => {
  const { counted, tokens, server, end } = await incrementThroughFaults({
    retries: false,
    lies: true,
  });
  await using _end = end;
  const verdict = await counted.verdict((name) => counterOf(server, name));
  assertEquals([verdict.ok, verdict.doubles, verdict.neverSent], [false, 4, 4]);
  assertEquals(tokens.verdict(await logOf(server)).ghosts.length, 4);
});

Deno.test("Ledger catches a server that forgot acknowledged writes", async () => {
  await using server = await RedisServer.start();
  const ledger = new Ledger();
  for (let i = 0; i < 5; i++) await ledger.run("n", () => server.cli("INCR", "n"));
  await ledger.assert((name) => counterOf(server, name));
  await server.kill();
  await server.restart();
  const verdict = await ledger.verdict((name) => counterOf(server, name));
  assertEquals([verdict.ok, verdict.lost], [false, 5]);
});
