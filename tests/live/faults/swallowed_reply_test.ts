import { assertEquals, assertInstanceOf } from "@std/assert";
import { ConnectionLostError } from "../../../mod.ts";
import { plainOutcome } from "./_plain.ts";
import { report } from "./_report.ts";
import { IS_FULL, onStage } from "./_stage.ts";

const TIMES = Number(Deno.env.get("MOORING_FAULT_REPETITIONS") ?? (IS_FULL ? 1000 : 200));
const CUT = { kind: "cut", afterBytes: 0, how: "reset" } as const;

Deno.test(`${TIMES} times, an INCR whose reply is swallowed is ambiguous and ran once`, () =>
  // Each INCR fails: the breaker must let the next one try.
  onStage({ manager: { circuitBreakerThreshold: 100_000 } }, async (stage) => {
    const { server, relay, manager } = stage;
    const client = manager.getClient("main");
    let slowestMs = 0;
    for (let n = 1; n <= TIMES; n++) {
      await client.ping();
      relay.set({ toClient: CUT });
      const start = performance.now();
      const error = await client.incr("n").then((value) => value, (error) => error);
      slowestMs = Math.max(slowestMs, performance.now() - start);
      relay.heal();
      assertInstanceOf(error, ConnectionLostError);
      assertEquals([error.delivery, error.attempts], ["ambiguous", 1]);
      assertEquals(Object.keys(error.elapsed!), ["waitingMs", "answeringMs"]);
      assertEquals(await server.cli("GET", "n"), String(n));
    }
    assertEquals(manager.getStatistics().databaseStats.main!.failedOperations, TIMES);
    const plain = await plainOutcome(relay.port, async (redis) => {
      await redis.ping();
      let told = 0;
      for (let i = 0; i < 10; i++) {
        relay.connections.at(-1)!.set({ toClient: CUT });
        told += await redis.incr("plain").then(() => 1, () => 0);
      }
      return `10 INCRs, ${told} reported as done, counter ${await server.cli(
        "GET",
        "plain",
      )}`;
    });
    await report({
      ...plain,
      row: 4,
      fault: "reply swallowed, RST",
      outcome: `${TIMES} ambiguous, 0 doubles`,
      noticedMs: slowestMs,
    });
  }));

Deno.test("a read whose reply is swallowed is read again", () =>
  onStage({}, async ({ server, relay, manager }) => {
    const client = manager.getClient("main");
    await server.cli("SET", "k", "v");
    await client.ping();
    relay.connections[0]!.set({ toClient: CUT });
    assertEquals(await client.get("k"), "v");
    assertEquals(manager.getStatistics().databaseStats.main!.totalRetryAttempts, 1);
  }));

Deno.test("a read is not read again where the retry budget is used up, and that is counted", () =>
  onStage(
    { manager: { retryBudget: { ratio: 0, minPerSecond: 0.1 } } },
    async ({ relay, manager }) => {
      const client = manager.getClient("main");
      const outcome = async () => {
        await client.ping();
        relay.connections[0]!.set({ toClient: CUT });
        return await client.get("k").then(() => "read", (error) => error.delivery);
      };
      assertEquals([await outcome(), await outcome()], ["read", "ambiguous"]);
      const stats = manager.getStatistics().databaseStats.main!;
      assertEquals([stats.totalRetryAttempts, stats.refusedRetries], [1, 1]);
    },
  ));

Deno.test("EVAL, a pipeline and MULTI are ambiguous and ran once", () =>
  onStage({}, async ({ server, relay, manager }) => {
    const client = manager.getClient("main");
    // On a connection's first transaction nothing is sent behind MULTI until it is answered.
    await client.multi().ping().exec();
    const attempts: [string, () => Promise<unknown>, string][] = [
      ["multi", () => client.multi().incr("multi").incr("multi").exec(), "2"],
      ["eval", () => client.eval("return redis.call('INCR', 'eval')", 0), "1"],
      [
        "pipe",
        () => manager.pipeline("main", (p) => void p.incr("pipe").incr("pipe")),
        "2",
      ],
    ];
    for (const [key, attempt, value] of attempts) {
      await client.ping();
      relay.set({ toClient: CUT });
      const error = await attempt().then(() => undefined, (error) => error);
      relay.heal();
      assertEquals(error?.delivery, "ambiguous", key);
      assertEquals(await server.cli("GET", key), value, key);
    }
  }));

Deno.test("where the answer to a connection's first MULTI is swallowed, nothing ran", () =>
  onStage({}, async ({ server, relay, manager }) => {
    const client = manager.getClient("main");
    await client.ping();
    relay.set({ toClient: CUT });
    const error = await client.multi().incr("n").exec().catch((error) => error);
    relay.heal();
    assertEquals(error?.delivery, "never-sent");
    assertEquals(await server.cli("EXISTS", "n"), 0);
  }));

Deno.test("with retry_writes the write is sent again, as the caller asked for", () =>
  onStage({ manager: { retryWrites: true } }, async ({ server, relay, manager }) => {
    const client = manager.getClient("main");
    await client.ping();
    relay.connections[0]!.set({ toClient: CUT });
    assertEquals(await client.incr("n"), 2);
    assertEquals(await server.cli("GET", "n"), "2");
  }));
