import { assertEquals, assertRejects } from "@std/assert";
import { type MessageHandler, RedisConnectionManager } from "../../../mod.ts";

Deno.test("RedisConnectionManager.subscribe() rejects a handler that is missing by mistake", async () => {
  await using manager = new RedisConnectionManager({ databases: { main: { db: 0 } } });
  const handlers = {} as Record<string, MessageHandler>;
  for (
    const [handler, found] of [
      [handlers.news, "undefined"],
      [null, "null"],
      ["news", "string"],
    ] as const
  ) {
    const error = await assertRejects(
      () => manager.subscribe("main", ["news"], handler as MessageHandler),
      TypeError,
    );
    assertEquals(
      error.message,
      `Cannot subscribe with a handler that is ${found}: give a function, or leave it out ` +
        "to iterate the subscription",
    );
  }
  await assertRejects(
    () => manager.subscribe("main", ["news"], null as never, { maxQueued: 1 }),
    TypeError,
  );
});
