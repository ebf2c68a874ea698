import { assertEquals, assertRejects } from "@std/assert";
import { CommandTimeoutError, type RedisClient } from "../../../mod.ts";
import { Random } from "../../support/random.ts";
import { withBoth } from "./support.ts";

const PUSH = "return redis.call('RPUSH', KEYS[1], ARGV[1])";

/** Ways to call RPUSH: none of them may be overtaken by what is called after it. */
const WAYS: readonly ((client: RedisClient, id: number) => Promise<unknown>)[] = [
  (client, id) => client.rpush("list", id),
  (client, id) => client.call("RPUSH", "list", String(id)),
  (client, id) => client.eval(PUSH, 1, "list", id),
  (client, id) => client.pipeline().rpush("list", id).exec(),
  (client, id) => client.pipeline().ping().rpush("list", id).exec(),
  (client, id) => client.multi().rpush("list", id).exec(),
];

Deno.test("commands of one client run in the order they were called in, whatever way", async () => {
  for (let round = 0; round < 8; round++) {
    const random = new Random(round);
    await withBoth({}, async ({ client, plain }) => {
      // The first transaction of a database is special, before and after it connects.
      if (round % 2 === 1) await client.ping();
      const { signal } = new AbortController();
      const clients = [client, client.with({ timeoutMs: 9000 }), client.with({ signal })];
      for (let count = 0; count < 60;) {
        const burst = Array.from({ length: 1 + random.below(20) }, () => {
          const of = clients[random.below(clients.length)]!;
          return WAYS[random.below(WAYS.length)]!(of, count++);
        });
        await Promise.all(burst);
      }
      const ids = (await plain.lrange("list", 0, -1)).map(Number);
      assertEquals(ids, ids.toSorted((a, b) => a - b), `seed ${round}`);
    });
  }
});

Deno.test("the first transaction, and what follows it, keep their deadlines on a server that hangs", () =>
  withBoth({}, async ({ client, server }) => {
    await client.ping();
    server.pause();
    try {
      const settled: string[] = [];
      const note = (name: string) => () => void settled.push(name);
      // Without a bound of its own the transaction would end after commandTimeout, 10 s.
      const last = client.with({ timeoutMs: 2000 }).get("k").catch(note("get"));
      const soon = client.with({ timeoutMs: 50 });
      const first = soon.multi().set("k", "first").exec();
      const second = soon.set("k", "second");
      const outcomes = [first.catch(note("multi")), second.catch(note("set")), last];
      const errors = [
        await assertRejects(() => first, CommandTimeoutError),
        await assertRejects(() => second, CommandTimeoutError),
      ];
      assertEquals(errors.map(({ delivery }) => delivery), ["never-sent", "never-sent"]);
      await Promise.all(outcomes);
      assertEquals(settled.slice(0, 2).sort(), ["multi", "set"]);
      assertEquals(settled[2], "get");
    } finally {
      server.resume();
    }
    assertEquals(await client.get("k"), null);
  }));
