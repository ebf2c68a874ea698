/** `@fastify/redis` 9: a route that sets a value, and one that gets it. */

import fastifyRedis from "npm:@fastify/redis@^9.0.0";
import Fastify from "npm:fastify@^5.12.8";
import { cache } from "./_cache.ts";
import { runProgram } from "./_program.ts";

await runProgram(async ({ client, ledger }) => {
  const app = Fastify();
  await app.register(fastifyRedis, { client: client(), closeClient: true });
  app.put<{ Params: { id: string }; Body: string }>("/:id", async ({ params, body }) => {
    return await app.redis.set(params.id, body);
  });
  app.get<{ Params: { id: string } }>("/:id", async ({ params }) => {
    return await app.redis.get(params.id);
  });
  await app.ready();
  return cache(
    {
      async set(key, value) {
        const headers = { "content-type": "text/plain" };
        const request = {
          method: "PUT",
          url: `/${key}`,
          payload: value,
          headers,
        } as const;
        const { statusCode, body } = await app.inject(request);
        if (statusCode !== 200) throw new Error(body);
      },
      get: async (key) => (await app.inject({ method: "GET", url: `/${key}` })).body,
    },
    ledger,
    () => app.close(),
  );
});
