import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
} from "@std/assert";
import {
  isMooringError,
  PipelineError,
  type RedisConnectionManager,
  ReplyError,
  TransactionError,
} from "../../../mod.ts";
import type { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor } from "../../support/clients.ts";
import { withManager } from "../../support/managed.ts";
import { RecordingTelemetry } from "../../support/recording_telemetry.ts";

/** What a wrong type is told as, in each way that commands are sent. */
const WAYS: Record<string, (manager: RedisConnectionManager) => Promise<unknown>> = {
  "a method": (manager) => manager.getClient("main").lpush("text", "a"),
  "call()": (manager) => manager.getClient("main").call("LPUSH", "text", "a"),
  "execute()": (manager) => manager.execute("main", "LPUSH", "text", "a"),
  "a blocking command": (manager) => manager.getClient("main").blpop("text", 1),
  "a script": (manager) =>
    manager.getClient("main").eval(
      "return redis.error_reply('WRONGTYPE of a script')",
      0,
    ),
  "a lease": async (manager) => {
    await using lease = await manager.acquire("main");
    return await lease.client.lpush("text", "a");
  },
  "a pipeline": async (manager) => {
    const error = await assertRejects(
      () => manager.pipeline("main", (p) => void p.lpush("text", "a")),
      PipelineError,
    );
    throw error.results[0]!.ok ? error : error.results[0]!.error;
  },
  "a pipeline of the client": async (manager) => {
    const replies = await manager.getClient("main").pipeline().lpush("text", "a").exec();
    throw replies![0]![0];
  },
  "a chain": async (manager) => {
    const replies = await manager.getClient("main").multi().lpush("text", "a").exec();
    throw replies![0]![0];
  },
  "a chain within a pipeline": async (manager) => {
    const commands = [["multi"], ["lpush", "text", "a"], ["exec"]];
    const replies = await manager.getClient("main").pipeline(commands).exec();
    throw (replies!.at(-1)![1] as unknown[])[0];
  },
  "a chain on a lease": async (manager) => {
    await using lease = await manager.acquire("main");
    const replies = await lease.client.multi().lpush("text", "a").exec();
    throw replies![0]![0];
  },
  "EXEC on a lease": async (manager) => {
    await using lease = await manager.acquire("main");
    await lease.client.multi({ pipeline: false });
    await lease.client.lpush("text", "a");
    const replies = await lease.client.exec();
    throw replies![0]![0];
  },
  "a transaction": async (manager) => {
    const error = await assertRejects(
      () => manager.transaction("main", (tx) => void tx.lpush("text", "a")),
      TransactionError,
    );
    throw error.results[0]!.ok ? error : error.results[0]!.error;
  },
};

for (const [way, send] of Object.entries(WAYS)) {
  Deno.test(`ReplyError of ${way} says database and code`, () =>
    withManager({ databases: { main: { db: 0 } } }, async ({ manager }) => {
      await manager.getClient("main").set("text", "no list");
      const error = await send(manager).catch((error) => error);
      assertInstanceOf(error, ReplyError);
      assertEquals(
        [error.name, error.code, error.replyCode, error.database, error.delivery],
        ["ReplyError", "REPLY", "WRONGTYPE", "main", "rejected"],
      );
      assert(!error.retryable && isMooringError(error));
      assertMatch(error.message, /^WRONGTYPE /);
      assert(!JSON.stringify(error).includes('"a"'), JSON.stringify(error));
    }));
}

/** Ends the connection of a command that the server lets wait, once it does. */
async function killWriter(server: RedisServer): Promise<void> {
  await waitFor(
    async () => (await server.clientList()).some(({ cmd }) => cmd === "incr"),
    { what: "a write that waits" },
  );
  await server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
  await server.cli("CLIENT", "UNPAUSE");
}

/** The line that the stack of a failed call begins at; a `Promise.all` is nobody's line. */
async function firstLine(call: () => Promise<unknown>): Promise<string> {
  try {
    await call();
  } catch (error) {
    const frames = (error as Error).stack!.split("\n").filter((line) =>
      /^ +at /.test(line) && !line.includes("Promise.all")
    );
    return frames[0] ?? "";
  }
  throw new Error("it did not fail");
}

for (const telemetry of [false, true]) {
  const name = telemetry ? "with OpenTelemetry" : "without OpenTelemetry";
  Deno.test(`the stack of a command's error begins where the caller awaits it, ${name}`, async () => {
    const recorded = new RecordingTelemetry();
    await withManager({
      databases: { main: { db: 0 } },
      ...(telemetry ? { telemetry: { api: recorded.api } } : {}),
    }, async ({ manager, server }) => {
      const client = manager.getClient("main");
      await client.set("text", "no list");
      const calls: Record<string, () => Promise<unknown>> = {
        async method() {
          return await client.lpush("text", "a");
        },
        async named() {
          return await client.call("LPUSH", "text", "a");
        },
        async leased() {
          await using lease = await manager.acquire("main");
          return await lease.client.lpush("text", "a");
        },
        async together() {
          return await Promise.all([client.get("text"), client.lpush("text", "a")]);
        },
        async late() {
          await server.cli("CLIENT", "PAUSE", 60_000, "WRITE");
          try {
            return await client.with({ timeoutMs: 20 }).incr("n");
          } finally {
            await server.cli("CLIENT", "UNPAUSE");
          }
        },
        async lost() {
          await server.cli("CLIENT", "PAUSE", 60_000, "WRITE");
          const killing = killWriter(server);
          try {
            return await client.incr("n");
          } finally {
            await killing;
          }
        },
      };
      for (const [who, call] of Object.entries(calls)) {
        const line = await firstLine(call);
        assert(line.includes(`at async `) && line.includes(who), `${who}: ${line}`);
        assert(line.includes(import.meta.url), `${who}: ${line}`);
      }
    });
    if (!telemetry) return;
    // What is observed is told the error, not a success.
    const failed = recorded.spans.filter(({ name }) => name === "LPUSH");
    assertEquals(failed.map(({ attributes }) => attributes["error.type"]), [
      ...["WRONGTYPE", "WRONGTYPE", "WRONGTYPE", "WRONGTYPE"],
    ]);
  });
}

Deno.test("an error whose promise is not awaited is no unhandled rejection twice over", async () => {
  const seen: unknown[] = [];
  const note = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    seen.push(event.reason);
  };
  globalThis.addEventListener("unhandledrejection", note);
  try {
    await withManager({ databases: { main: { db: 0 } } }, async ({ manager }) => {
      const client = manager.getClient("main");
      await client.set("text", "no list");
      void client.lpush("text", "a");
      await client.lpush("text", "b").then(() => {}, () => {});
      await client.get("text");
    });
    await new Promise((resolve) => setTimeout(resolve, 0));
  } finally {
    globalThis.removeEventListener("unhandledrejection", note);
  }
  assertEquals(seen.length, 1);
  assertInstanceOf(seen[0], ReplyError);
});

Deno.test("the stack of an error that is not awaited has its message, and no lines of other callers", () =>
  withManager({ databases: { main: { db: 0 } } }, async ({ manager }) => {
    const client = manager.getClient("main");
    await client.set("text", "no list");
    const failed = client.lpush("text", "a");
    const stack = new Promise<string>((resolve) => {
      failed.catch((error) => resolve(error.stack));
    });
    assertMatch(await stack, /^ReplyError: WRONGTYPE [^\n]*$/);
  }));
