/** `rate-limiter-flexible` 11: a counter for each task. */

import { RateLimiterRedis } from "npm:rate-limiter-flexible@^11.4.0";
import { runProgram } from "./_program.ts";

await runProgram(({ client, ledger }) => {
  const limiter = new RateLimiterRedis({
    storeClient: client(),
    points: 5,
    duration: 600,
    rejectIfRedisNotReady: false,
  });
  return {
    async work(id) {
      const { consumedPoints } = await limiter.consume(id);
      for (let n = 0; n < consumedPoints; n++) ledger.done(id);
    },
    close: () => Promise.resolve(),
  };
});
