import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  AcquireTimeoutError,
  CommandRefusedError,
  ConnectionLostError,
  LeaseReleasedError,
  TransactionConflictError,
  TransactionError,
} from "../../../mod.ts";
import { RespError } from "../../../src/testing/resp_parser.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { withManager } from "../../support/managed.ts";

const MAIN = { databases: { main: { db: 0 } } };

Deno.test("manager.transaction() gives the replies as the commands themselves would", () =>
  withManager(MAIN, async ({ manager }) => {
    const replies = await manager.transaction("main", (tx) => {
      tx.hset("h", { a: 1, b: 2 }).hgetall("h").get("none").blpop("empty", 0);
    });
    assertEquals(replies, [2, { a: "1", b: "2" }, null, null]);
    assertEquals(await manager.transaction("main", () => {}), []);
  }));

Deno.test("manager.transaction() gives the typed replies of the promises that are returned", () =>
  withManager(MAIN, async ({ manager }) => {
    const [count, got] = await manager.transaction("main", (tx, _, typed) => {
      tx.set("a", "x");
      return [typed.incr("n"), typed.get("a")];
    });
    // Were they not typed one by one, this would not compile.
    assertEquals([count + 1, got?.length], [2, 1]);
    const client = manager.getClient("main");
    client.defineCommand("twice", { numberOfKeys: 0, lua: "return ARGV[1] * 2" });
    type Scripted = { twice(n: number): Promise<number> };
    await client.script("FLUSH");
    const scripted = await manager.transaction("main", (_tx, _, typed) => [
      (typed as unknown as Scripted).twice(2),
    ]);
    assertEquals(scripted, [4]);
  }));

Deno.test("manager.transaction() settles typed promises of every attempt", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const given: Promise<number>[] = [];
    const [count] = await manager.transaction("main", async (_tx, watched, typed) => {
      await watched.get("n");
      if (given.length === 0) await server.cli("INCR", "n");
      const count = typed.incr("n");
      given.push(count);
      return [count];
    }, { watch: ["n"] });
    assertEquals([count, await given[1], given.length], [2, 2, 2]);
    await assertRejects(() => given[0]!, CommandRefusedError, "called again");
    await server.cli("SET", "text", "x");
    const failed = await assertRejects(
      () =>
        manager.transaction("main", (_tx, _, typed) => {
          given.push(typed.incr("text"));
          return given.slice(-1);
        }),
      TransactionError,
    );
    assertEquals(await given[2]!.catch((error: unknown) => error), failed);
  }));

Deno.test("manager.transaction() refuses typed commands that are awaited in the callback", () =>
  withManager(MAIN, async ({ manager, server }) => {
    await assertRejects(
      () =>
        manager.transaction("main", async (_tx, _, typed) => {
          await typed.set("a", 1);
        }),
      CommandRefusedError,
      "answered when it has run",
    );
    assertEquals(await server.cli("EXISTS", "a"), 0);
  }));

Deno.test("manager.transaction() loses no update of 20 callers at once", () =>
  withManager(MAIN, async ({ manager, server }) => {
    await server.cli("SET", "n", "0");
    let runs = 0;
    const add = () =>
      manager.transaction("main", async (tx, watched) => {
        runs++;
        const n = await watched.get("n");
        tx.set("n", Number(n) + 1);
      }, { watch: ["n"], maxAttempts: 1000 });
    await Promise.all(Array.from({ length: 20 }, () => add()));
    assertEquals(await server.cli("GET", "n"), "20");
    assert(runs > 20, "no conflict was met, so none was tested");
    const { leases, waiting } = manager.getPoolStatistics("main");
    assertEquals([leases, waiting], [0, 0]);
  }));

Deno.test("manager.transaction() gives up after maxAttempts, and leaves a clean connection", () =>
  withManager(
    { databases: { main: { db: 0, maxConnections: 2 } } },
    async ({ manager, server }) => {
      let attempts = 0;
      const error = await assertRejects(
        () =>
          manager.transaction("main", async (tx) => {
            attempts++;
            await server.cli("INCR", "n");
            tx.set("n", "mine");
          }, { watch: ["n"], maxAttempts: 3 }),
        TransactionConflictError,
      );
      assertEquals([attempts, error.attempts, error.keys], [3, 3, ["n"]]);
      assertEquals(await server.cli("GET", "n"), "3");
      // The only connection for leases: were it still watching, this EXEC would fail.
      await server.cli("INCR", "n");
      assertEquals(await manager.transaction("main", (tx) => tx.incr("n")), [5]);
    },
  ));

Deno.test("manager.transaction() sends nothing if its callback throws, and unwatches", () =>
  withManager(
    { databases: { main: { db: 0, maxConnections: 2 } } },
    async ({ manager, server }) => {
      const fail = () =>
        manager.transaction("main", (tx) => {
          tx.set("n", 1);
          throw new Error("changed my mind");
        }, { watch: ["n"] });
      await assertRejects(fail, Error, "changed my mind");
      assertEquals(await server.cli("EXISTS", "n"), 0);
      const lease = await manager.acquire("main");
      await server.cli("SET", "n", "other");
      assertEquals(await lease.client.multi().get("n").exec(), [[null, "other"]]);
      lease.release();
    },
  ));

Deno.test("manager.transaction() reports errors in EXEC, and that the others were run", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const error = await assertRejects(
      () => manager.transaction("main", (tx) => tx.set("a", "x").incr("a").set("b", 1)),
      TransactionError,
    );
    assertEquals([error.applied, error.failed], [true, [1]]);
    assertEquals(error.results.map((r) => r.ok ? r.value : r.delivery), [
      "OK",
      "rejected",
      "OK",
    ]);
    assertEquals(await server.cli("GET", "b"), "1");
  }));

Deno.test("manager.transaction() reports an EXECABORT, and that nothing was run", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const error = await assertRejects(
      () => manager.transaction("main", (tx) => tx.set("a", "x").call("NOSUCH", "b")),
      TransactionError,
      "unknown command",
    );
    assertEquals([error.applied, error.failed, error.delivery], [false, [1], "rejected"]);
    assertEquals(error.results.map((r) => r.ok || r.delivery), [
      "never-sent",
      "rejected",
    ]);
    assertEquals(await server.cli("EXISTS", "a"), 0);
  }));

Deno.test("manager.transaction() runs nothing where the server refuses MULTI", () =>
  withManager(MAIN, async ({ manager, server }) => {
    await server.cli("ACL", "SETUSER", "default", "-multi");
    for (const watch of [[], ["a"]]) {
      const error = await assertRejects(
        () => manager.transaction("main", (tx) => tx.set("a", 1).incr("n"), { watch }),
        TransactionError,
        "NOPERM",
      );
      assertEquals([error.applied, error.failed, error.delivery], [
        false,
        [0, 1],
        "rejected",
      ]);
    }
    assertEquals(await server.cli("DBSIZE"), 0);
  }));

Deno.test("manager.transaction() reports what was run by itself, as MULTI was refused from now on", () =>
  withManager(MAIN, async ({ manager, server }) => {
    await manager.transaction("main", (tx) => tx.set("a", "x"));
    await server.cli("ACL", "SETUSER", "default", "-multi");
    const error = await assertRejects(
      () => manager.transaction("main", (tx) => tx.incr("a").incr("n")),
      TransactionError,
      "1 of 2 commands failed, and MULTI itself (NOPERM",
    );
    assertEquals([error.applied, error.failed, error.delivery], [true, [0], undefined]);
    assertEquals(error.results.map((r) => r.ok ? r.value : r.delivery), ["rejected", 1]);
    assertEquals(await server.cli("GET", "n"), "1");
  }));

Deno.test("manager.transaction() reads only on the reading side, and only in the callback", () =>
  withManager(MAIN, async ({ manager, server }) => {
    let kept: { get(key: string): Promise<string | null> } | undefined;
    await manager.transaction("main", async (_, watched) => {
      kept = watched;
      await assertRejects(() => watched.set("a", 1), CommandRefusedError);
      await assertRejects(() => watched.blpop("a", 0), CommandRefusedError);
    });
    await assertRejects(() => kept!.get("a"), LeaseReleasedError);
    assertEquals(await server.cli("DBSIZE"), 0);
  }));

Deno.test("manager.transaction() ends with its signal, before anything is sent", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const stop = new AbortController();
    const reason = new Error("enough");
    await assertRejects(
      () =>
        manager.transaction("main", (tx) => {
          tx.set("a", 1);
          stop.abort(reason);
        }, { signal: stop.signal }),
      Error,
      "enough",
    );
    assertEquals(await server.cli("DBSIZE"), 0);
    const conflicts = new AbortController();
    setTimeout(() => conflicts.abort(reason), 50);
    await assertRejects(
      () =>
        manager.transaction("main", async (tx) => {
          await server.cli("INCR", "n");
          tx.set("n", 1);
        }, { watch: ["n"], signal: conflicts.signal, maxAttempts: 1_000_000 }),
      Error,
      "enough",
    );
    // The UNWATCH that makes its connection clean is still on its way.
    await waitFor(() => manager.getPoolStatistics("main").leases === 0);
  }));

Deno.test("manager.transaction() says ambiguous of a connection that is lost at EXEC", () =>
  withManager(MAIN, async ({ manager, server }) => {
    await server.cli("CONFIG", "SET", "busy-reply-threshold", "50");
    const running = manager.transaction("main", (tx) => {
      tx.incr("n").eval("while true do end", 0);
    });
    const failed = assertRejects(() => running, ConnectionLostError);
    await waitFor(async () => {
      const reply = await server.cli("PING");
      return reply instanceof RespError && reply.code === "BUSY";
    }, { what: "the script to run" });
    await server.kill();
    assertEquals((await failed).delivery, "ambiguous");
  }));

Deno.test("manager.transaction() rejects bad maxAttempts, and waits no longer than timeoutMs", () =>
  withManager(
    { databases: { main: { db: 0, maxConnections: 2 } } },
    async ({ manager }) => {
      for (const maxAttempts of [0, 1.5, NaN]) {
        await assertRejects(
          () => manager.transaction("main", () => {}, { maxAttempts }),
          RangeError,
        );
      }
      await manager.getClient("main").ping();
      await using _lease = await manager.acquire("main");
      await assertRejects(
        () => manager.transaction("main", () => {}, { timeoutMs: 50 }),
        AcquireTimeoutError,
      );
    },
  ));

Deno.test("manager.transaction() settles the callbacks of commands that it does not send", () =>
  withManager({ databases: { main: { db: 0 } } }, async ({ manager, server }) => {
    const error = new Error("changed my mind");
    const told: unknown[] = [];
    const filled = manager.transaction("main", (tx) => {
      tx.set("k", 1, (failure) => void told.push(failure));
      throw error;
    });
    assertEquals(await filled.catch((error) => error), error);
    await server.cli("ACL", "SETUSER", "default", "-multi");
    const refused = manager.transaction("main", (tx) => {
      tx.set("k", 1, (failure) => void told.push(failure instanceof Error));
    });
    await assertRejects(() => refused, TransactionError);
    await waitFor(() => told.length === 2);
    assertEquals(told, [error, true]);
  }));
