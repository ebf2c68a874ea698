/** Bottleneck 2: two limiters that share a limit. */

import Bottleneck from "npm:bottleneck@^2.19.5";
import { runProgram } from "./_program.ts";

await runProgram(async ({ client, ledger }) => {
  const connections = [client(), client()].map((client) =>
    new Bottleneck.IORedisConnection({ client })
  );
  const limiters = connections.map((connection) =>
    new Bottleneck({ id: "tasks", datastore: "ioredis", connection, maxConcurrent: 4 })
  );
  for (const limiter of limiters) limiter.on("error", () => {}); // The ledger tells.
  await Promise.all(limiters.map((limiter) => limiter.ready()));
  return {
    work: (id) =>
      // Without it a job keeps its place for ever whose end was cut.
      limiters[Number(id) % 2]!.schedule({ expiration: 2000 }, () => {
        ledger.done(id);
        return Promise.resolve();
      }),
    async close() {
      for (const limiter of limiters) await limiter.disconnect();
      for (const connection of connections) await connection.disconnect();
    },
  };
});
