import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  CommandRefusedError,
  ConnectionLostError,
  type IORedisPipeline,
  PipelineError,
  RedisConnectionManager,
} from "../../../mod.ts";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { delay, waitFor, within } from "../../../src/testing/wait.ts";
import { withManager } from "../../support/managed.ts";
import { runChild } from "../faults/_child.ts";

const MAIN = { databases: { main: { db: 0 } } };

Deno.test("manager.pipeline() gives the typed replies of the promises that are returned", () =>
  withManager(MAIN, async ({ manager }) => {
    const [set, got, count] = await manager.pipeline("main", (_, typed) => [
      typed.set("a", "1"),
      typed.get("a"),
      typed.incr("n"),
    ]);
    // Were they not typed one by one, this would not compile.
    const types: ["OK", string | null, number] = [set, got, count];
    assertEquals(types, ["OK", "1", 1]);
  }));

Deno.test("manager.pipeline() gives every reply where commands were added in other ways", () =>
  withManager(MAIN, async ({ manager }) => {
    const later = await manager.pipeline("main", async (p) => {
      p.set("a", 1);
      await Promise.resolve();
      p.incr("a").get("a");
    });
    assertEquals(later, ["OK", 2, "2"]);
    const inCallbacks = await manager.pipeline(
      "main",
      (p) =>
        ["b", "c"].map(async (key) => {
          await Promise.resolve();
          p.set(key, 1);
        }),
    );
    assertEquals(inCallbacks, ["OK", "OK"]);
    assertEquals(await manager.pipeline("main", () => {}), []);
  }));

Deno.test("manager.pipeline() sends nothing if its callback throws or rejects", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const error = new Error("changed my mind");
    for (
      const fail of [() => Promise.reject(error), () => {
        throw error;
      }]
    ) {
      await assertRejects(
        () =>
          manager.pipeline("main", (p) => {
            p.set("a", 1);
            return fail();
          }),
        Error,
        "changed my mind",
      );
    }
    assertEquals(await server.cli("DBSIZE"), 0);
    const { databaseStats } = manager.getStatistics();
    assertEquals(databaseStats.main!.totalConnections, 0);
  }));

Deno.test("manager.pipeline() whose callback throws rejects the promises that it gave", () =>
  withManager(MAIN, async ({ manager }) => {
    let given: Promise<unknown> | undefined;
    let add: (() => unknown) | undefined;
    await assertRejects(
      () =>
        manager.pipeline("main", (p, typed) => {
          given = typed.get("a");
          add = () => p.get("b");
          throw new Error("changed my mind");
        }),
      Error,
      "changed my mind",
    );
    const outcome = within(given!, 5000, "the promise that was given");
    await assertRejects(() => outcome, Error, "changed my mind");
    assertThrows(() => add!(), CommandRefusedError, "sent already");
  }));

Deno.test("manager.pipeline() refuses what may not run in it, and sends nothing", () =>
  withManager(MAIN, async ({ manager, server }) => {
    for (
      const [advice, add] of [
        ["on the client", (p) => p.blpop("q", 0)],
        ["on the client when", (p) => p.wait(1, 0)],
        ["name of its own", (p) => p.select(3)],
        ["manager.transaction()", (p) => (p as unknown as { multi(): void }).multi()],
        ["manager.subscribe()", (p) => p.call("SUBSCRIBE", "c")],
        ["when its callback returns", (p) => void p.exec()],
      ] as [string, Parameters<typeof manager.pipeline>[1]][]
    ) {
      const error = await assertRejects(
        () =>
          manager.pipeline("main", (p, typed) => {
            p.set("a", 1);
            return add(p, typed);
          }),
        CommandRefusedError,
      );
      assert(error.message.includes(advice), error.message);
      assert(error.message.includes("a pipeline"), error.message);
    }
    assertEquals(await server.cli("DBSIZE"), 0);
  }));

Deno.test("manager.pipeline() refuses typed commands that are awaited in the callback", () =>
  withManager(MAIN, async ({ manager, server }) => {
    let heard: unknown;
    await assertRejects(
      () =>
        manager.pipeline("main", async (_, typed) => {
          heard = await typed.set("a", 1).catch((error: unknown) => error);
        }),
      CommandRefusedError,
      "must not be async",
    );
    await Promise.resolve();
    assert(heard instanceof CommandRefusedError);
    assertEquals(await server.cli("DBSIZE"), 0);
  }));

Deno.test("manager.pipeline() gives the outcome of each command, by index", () =>
  withManager(MAIN, async ({ manager }) => {
    const fill = (p: Parameters<Parameters<typeof manager.pipeline>[1]>[0]) => {
      p.set("a", 1).lpush("a", 1).incr("a");
    };
    const error = await assertRejects(
      () => manager.pipeline("main", fill),
      PipelineError,
    );
    assertEquals([error.failed, error.delivery], [[1], "rejected"]);
    const results = await manager.pipeline("main", fill, { settle: true });
    assertEquals(results.map((r) => r.ok ? r.value : r.delivery), ["OK", "rejected", 2]);
  }));

Deno.test("manager.pipeline() runs scripts that were defined on the client", () =>
  withManager(MAIN, async ({ manager }) => {
    const client = manager.getClient("main");
    client.defineCommand("twice", { numberOfKeys: 0, lua: "return ARGV[1] * 2" });
    type Scripted = { twice(n: number): Promise<number> };
    const replies = await manager.pipeline("main", (p, typed) => {
      (p as unknown as Scripted).twice(2);
      return [(typed as unknown as Scripted).twice(4)];
    });
    assertEquals(replies, [8]);
    await client.script("FLUSH");
    const again = await manager.pipeline("main", (p, typed) => {
      (p as unknown as Scripted).twice(2);
      return [(typed as unknown as Scripted).twice(4)];
    });
    assertEquals(again, [8]);
  }));

Deno.test("manager.pipeline() puts the key prefix before keys, and gives Buffers where asked", () =>
  withManager(
    { databases: { main: { db: 0, keyPrefix: "p:", decodeResponses: false } } },
    async ({ manager, server }) => {
      const [, got] = await manager.pipeline("main", (p) => void p.set("a", 1).get("a"));
      assertEquals(new TextDecoder().decode(got as Uint8Array), "1");
      assertEquals(await server.cli("GET", "p:a"), "1");
    },
  ));

Deno.test("manager.pipeline() sends 150,000 commands in order, in chunks that let others through", () =>
  withManager({ ...MAIN, commandTimeoutMs: 60_000 }, async ({ manager, server }) => {
    const client = manager.getClient("main");
    await client.ping();
    const count = 150_000;
    let most = 0;
    let beside = 0;
    let isOver = false;
    const others = (async () => {
      while (!isOver) {
        most = Math.max(most, manager.getPoolStatistics("main").inFlight);
        await client.get("x");
        beside++;
      }
    })();
    const replies = await manager.pipeline("main", (p) => {
      for (let i = 0; i < count; i++) p.rpush("list", i);
    });
    isOver = true;
    await others;
    assertEquals(replies.length, count);
    assert(replies.every((reply, i) => reply === i + 1), "replies out of order");
    assertEquals(await server.cli("LINDEX", "list", "-1"), String(count - 1));
    assert(most <= 2001, `${most} commands in flight, two chunks are 2,000`);
    assert(beside >= count / 1000 / 2, `only ${beside} commands of others came through`);
  }));

/** A pipeline through a relay that lets no reply pass, with nowhere to connect to again. */
async function unanswered(
  add: (p: IORedisPipeline) => void,
  until: (server: RedisServer) => Promise<unknown>,
): Promise<PipelineError> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await RedisServer.start());
  const relay = stack.use(await FaultProxy.start({ to: server }));
  const manager = stack.use(
    new RedisConnectionManager({
      host: relay.host,
      port: relay.port,
      commandTimeoutMs: 30_000,
      connectRetry: { attempts: 1 },
      databases: { main: { db: 0 } },
    }),
  );
  await manager.getClient("main").ping();
  relay.set({ toClient: { kind: "swallow" } });
  const failed = assertRejects(() => manager.pipeline("main", add), PipelineError);
  await until(server);
  await relay.refuse();
  relay.reset();
  const error = await failed;
  // Nothing is sent afterwards.
  await until(server);
  return error;
}

Deno.test("manager.pipeline() says of a lost connection which commands were never sent", async () => {
  const error = await unanswered((p) => {
    for (let i = 0; i < 10_000; i++) p.incr("n");
  }, async (server) => {
    await waitFor(async () => await server.cli("GET", "n") === "2000");
  });
  // Nothing is answered: two chunks are on their way, and no more.
  const deliveries = error.results.map((r) => r.ok ? "done" : r.delivery);
  const ambiguous = deliveries.filter((delivery) => delivery === "ambiguous").length;
  assertEquals([ambiguous, deliveries.lastIndexOf("ambiguous")], [2000, 1999]);
  assert(deliveries.slice(2000).every((delivery) => delivery === "never-sent"));
  assertEquals([error.delivery, error.failed.length], ["ambiguous", 10_000]);
  assert(error.message.includes("(2000 ambiguous, 8000 never-sent)"), error.message);
  const last = error.results.at(-1)!;
  assert(!last.ok && last.error instanceof ConnectionLostError, String(last));
});

Deno.test("manager.pipeline() ends a chunk at 1 MiB, so that large values wait here, not in buffers", async () => {
  const value = "x".repeat(500 * 1024);
  const { results } = await unanswered((p) => {
    for (let i = 0; i < 20; i++) p.set(`k${i}`, value);
  }, async (server) => {
    // The third value fills a chunk, and two chunks are under way.
    await waitFor(async () => await server.cli("DBSIZE") === 6);
    await delay(100);
    assertEquals(await server.cli("DBSIZE"), 6);
  });
  const deliveries = results.map((r) => r.ok ? "done" : r.delivery);
  assertEquals(deliveries.filter((delivery) => delivery === "never-sent").length, 14);
});

Deno.test("manager.pipeline() holds what is large once, on its way there and on its way back", async () => {
  await using server = await RedisServer.start();
  const script = "../batches/_large_pipeline.ts";
  const { code, out, text } = await runChild(script, [String(server.port)], {
    permissions: ["-A", "--v8-flags=--expose-gc"],
  });
  assertEquals(code, 0, text);
  const { all, cost, whole } = JSON.parse(out);
  assertEquals(whole, true);
  // 1.25 times was measured; 2.2 where answered commands were kept, 2.6 in one chunk.
  assert(cost < 1.75 * all, `${cost / all} times what was sent`);
});
