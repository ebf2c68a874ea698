/** Bee-Queue 2: plain and delayed jobs, and events of all workers. */

import { Redis } from "ioredis";
import BeeQueue from "npm:bee-queue@^2.0.0";
import { countLeft, runProgram } from "./_program.ts";

await runProgram(async ({ kind, client, ledger }) => {
  const redis = client();
  // It knows ioredis by the name of the constructor, which is EventEmitter since ioredis 5.
  if (kind === "ioredis") Object.defineProperty(redis, "constructor", { value: Redis });
  const queue = new BeeQueue<{ id: string }>("tasks", {
    redis,
    activateDelayedJobs: true,
    removeOnSuccess: true,
    // Default: 5 s, which the test would wait for.
    stallInterval: 1000,
  });
  queue.on("error", () => {}); // What fails is told by the ledger.
  queue.process(8, ({ data }) => Promise.resolve(ledger.done(data.id)));
  await queue.ready();
  queue.checkStalledJobs(1000, () => {});
  return {
    async work(id) {
      const job = queue.createJob({ id });
      if (Number(id) % 5 === 0) job.delayUntil(Date.now() + 200);
      await job.save();
    },
    // Its checkHealth() takes replies of MULTI as node-redis 3 gives them, not ioredis.
    left: async () =>
      countLeft({
        active: await redis.llen("bq:tasks:active"),
        waiting: await redis.llen("bq:tasks:waiting"),
        delayed: await redis.zcard("bq:tasks:delayed"),
        failed: await redis.scard("bq:tasks:failed"),
      }),
    close: () => queue.close(),
  };
});
