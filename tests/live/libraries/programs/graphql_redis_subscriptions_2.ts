/** `graphql-redis-subscriptions` 2: a callback and an iterator. */

import { RedisPubSub } from "npm:graphql-redis-subscriptions@^2.7.0";
import { runProgram } from "./_program.ts";

type Client = ConstructorParameters<typeof RedisPubSub>[0] extends infer Options
  ? NonNullable<NonNullable<Options>["publisher" & keyof NonNullable<Options>]>
  : never;

await runProgram(async ({ client, ledger }) => {
  // Its types are those of ioredis 5, whose class has other protected members than that of 6.
  const make = () => client() as unknown as Client;
  const pubsub = new RedisPubSub({ publisher: make(), subscriber: make() });
  const payloads = pubsub.asyncIterator<{ id: string }>("task");
  const reading = (async () => {
    // Its type of throw() does not fit a `for await`.
    for (;;) {
      const { done, value } = await payloads.next();
      if (done) break;
      ledger.done(value.id);
    }
  })();
  await pubsub.subscribe<{ id: string }>("other", ({ id }) => ledger.done(id));
  return {
    lossy: true,
    work: (id) => pubsub.publish(Number(id) % 2 === 0 ? "task" : "other", { id }),
    async close() {
      await payloads.return?.();
      await reading;
      await pubsub.close();
    },
  };
});
