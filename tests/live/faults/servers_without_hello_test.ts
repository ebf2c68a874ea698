/**
 * Servers and proxies that do not know HELLO: they get RESP2, with AUTH and SELECT. What no
 * new attempt would change fails fast.
 */
import { connect, createServer } from "node:net";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { AuthError, ConnectError, RedisConnectionManager } from "../../../mod.ts";
import type { ProxyScript } from "../../../src/testing/proxy_script.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { report } from "./_report.ts";
import { onStage } from "./_stage.ts";

/** Answers HELLO itself, once and for all; the server gets the rest. */
function answersHello(reply: string): ProxyScript {
  return ([name = ""]) => name.toLowerCase() === "hello" ? `-${reply}\r\n` : undefined;
}

const REFUSALS = {
  "an old Redis": "ERR unknown command 'HELLO', with args beginning with: '3' ",
  "a bare refusal": "ERR unknown command",
  "a proxy": "unsupported command",
  "a proxy that knows AUTH alone": "NOAUTH Authentication required.",
  "a server of RESP2": "NOPROTO unsupported protocol version",
  "an unknown word": "ERR syntax error",
  "an ACL": "NOPERM this user has no permissions to run the 'hello' command",
};

for (const [who, reply] of Object.entries(REFUSALS)) {
  Deno.test(`HELLO refused by ${who}: RESP2, with AUTH and SELECT`, () =>
    onStage(
      {
        server: { config: { requirepass: "secret" } },
        relay: { script: answersHello(reply) },
        manager: { password: "secret", databases: { main: { db: 3 } } },
      },
      async ({ manager, server }) => {
        const client = manager.getClient("main");
        await client.hset("h", { a: 1 });
        assertEquals(await client.hgetall("h"), { a: "1" });
        await using lease = await manager.acquire("main");
        assertEquals(await lease.client.hgetall("h"), { a: "1" });
        const listed = String(await server.cli("CLIENT", "LIST"));
        assertMatch(listed, / name=mooring:main:lane .* db=3 .* resp=2/);
        await manager.transaction("main", (tx) => tx.incr("n"));
        await using news = await manager.subscribe("main", ["news"]);
        await client.publish("news", "told");
        for await (const item of news) {
          assertEquals(item.kind === "message" && item.message, "told");
          break;
        }
        assertEquals(manager.getPoolStatistics("main").createdConnections, 3);
        await report({ row: 56, fault: `HELLO refused: ${who}`, outcome: "RESP2" });
      },
    ));
}

/** A proxy that closes the connection at HELLO, maybe with a word, and passes all else on. */
async function startCloser(to: { host: string; port: number }, word = "") {
  const hellos: number[] = [];
  const accepted: number[] = [];
  const listener = createServer((client) => {
    accepted.push(Date.now());
    const server = connect(to.port, to.host);
    const end = () => {
      client.destroy();
      server.destroy();
    };
    client.on("error", end).on("close", end);
    server.on("error", end).on("end", end);
    client.on("data", (chunk) => {
      if (!/\r\nhello\r\n/i.test(chunk.toString())) return void server.write(chunk);
      hellos.push(Date.now());
      client.end(word);
      server.destroy();
    });
    server.on("data", (chunk) => client.write(chunk));
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  listener.listen(0, "127.0.0.1", () => resolve());
  await promise;
  return {
    hellos,
    accepted,
    port: (listener.address() as { port: number }).port,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => listener.close(() => resolve())),
  };
}

for (const word of ["", "-ERR unknown command\r\n"]) {
  const how = word === "" ? "closes at HELLO" : "refuses HELLO and closes";
  Deno.test(`a server that ${how} gets RESP2, and is asked for HELLO no more`, () =>
    meetCloser(word));
}

async function meetCloser(word: string): Promise<void> {
  await using server = await RedisServer.start({ config: { requirepass: "secret" } });
  await using closer = await startCloser(server, word);
  const options = {
    port: closer.port,
    password: "secret",
    databases: { main: { db: 3 } },
  };
  await using manager = new RedisConnectionManager(options);
  const client = manager.getClient("main");
  assertEquals(await client.set("k", "v"), "OK");
  await using lease = await manager.acquire("main");
  assertEquals(await lease.client.get("k"), "v");
  // One for HELLO, one to hear why it closes, and the two that are used.
  assertEquals([closer.hellos.length, closer.accepted.length], [1, 4]);
  const { circuitBreaker, state } = manager.getHealthStatus().databases.main!;
  assertEquals([circuitBreaker, state], ["closed", "healthy"]);
  assertEquals(manager.getStatistics().databaseStats.main!.failedConnections, 0);
}

Deno.test("protocol: 2 sends no HELLO, and 3 is refused at once where it is not known", () =>
  onStage(
    {
      server: { config: { requirepass: "secret" } },
      relay: {
        script: ([name = ""]) => {
          if (name.toLowerCase() !== "hello") return undefined;
          hellos++;
          return "-ERR unknown command\r\n";
        },
      },
      manager: {
        password: "secret",
        connectRetry: {},
        databases: { main: { protocol: 2, db: 1 }, new: { protocol: 3, db: 2 } },
      },
    },
    async ({ manager }) => {
      hellos = 0;
      assertEquals(await manager.getClient("main").set("k", "v"), "OK");
      assertEquals(hellos, 0);
      const error = await assertRejects(
        () => manager.getClient("new").get("k"),
        ConnectError,
        "protocol: 3",
      );
      assertEquals([hellos, error.attempts, error.retryable], [1, 1, false]);
    },
  ));

let hellos = 0;

Deno.test("what RESP2 is refused fails fast, with the reason", async () => {
  const script = (answers: Record<string, string>): ProxyScript => ([name = ""]) => {
    const reply = answers[name.toLowerCase()];
    return reply === undefined ? undefined : `-${reply}\r\n`;
  };
  const hello = "unsupported command";
  const cases = [
    [{ hello, auth: "ERR invalid password" }, AuthError, "invalid password"],
    [{ hello, auth: "ERR unknown command 'AUTH'" }, AuthError, "unknown command"],
    [{ hello, select: "unsupported command" }, ConnectError, "set db to 0"],
  ] as const;
  for (const [answers, Kind, text] of cases) {
    await onStage({
      relay: { script: script(answers) },
      // As they are by default: what cannot help is not tried again.
      manager: { password: "x", connectRetry: {}, databases: { main: { db: 3 } } },
    }, async ({ manager, relay }) => {
      const stats = () => manager.getStatistics().databaseStats.main!;
      const error = await assertRejects(() => manager.getClient("main").get("k"), Kind);
      assert(error.message.includes(text), error.message);
      assertEquals([error.retryable, stats().totalRetryAttempts], [false, 0]);
      assertEquals(relay.accepted.length, 1);
    });
  }
});

Deno.test("no error shows the password, whatever the server quotes", async () => {
  const password = "s3cr3t-of-the-handshake";
  const quotes = (name: string) =>
    `-ERR unknown command '${name}', with args beginning with: '3' 'AUTH' '${password}' \r\n`;
  const script: ProxyScript = ([name = ""]) =>
    /^(?:hello|auth)$/i.test(name) ? quotes(name) : undefined;
  for (const protocol of ["auto", 2, 3] as const) {
    await onStage({
      relay: { script },
      manager: { password, connectRetry: {}, databases: { main: { protocol } } },
    }, async ({ manager }) => {
      const error = await assertRejects(() => manager.getClient("main").get("k"), Error);
      const shown = Deno.inspect([error, manager.getStatistics(), manager], {
        depth: 20,
      });
      assert(error.message.includes("unknown command"), error.message);
      assert(!shown.includes(password), shown);
    });
  }
});
