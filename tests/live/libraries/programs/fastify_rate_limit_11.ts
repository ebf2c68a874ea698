/** `@fastify/rate-limit` 11: a counter for each task. */

import rateLimit from "npm:@fastify/rate-limit@^11.2.0";
import Fastify from "npm:fastify@^5.12.8";
import { runProgram } from "./_program.ts";

const MAX = 5;

await runProgram(async ({ client, ledger }) => {
  const app = Fastify();
  await app.register(rateLimit, {
    redis: client(),
    max: MAX,
    timeWindow: 600_000,
    keyGenerator: ({ url }) => url,
  });
  app.get("/:id", () => "ok");
  await app.ready();
  return {
    async work(id) {
      const { statusCode, headers, body } = await app.inject(`/${id}`);
      if (statusCode !== 200) throw new Error(body);
      const counted = MAX - Number(headers["x-ratelimit-remaining"]);
      for (let n = 0; n < counted; n++) ledger.done(id);
    },
    close: () => app.close(),
  };
});
