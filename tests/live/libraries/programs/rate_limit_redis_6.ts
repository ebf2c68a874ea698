/** `rate-limit-redis` 6 for express-rate-limit: a counter for each task. */

import type { AddressInfo } from "node:net";
// @ts-types="npm:@types/express@^5.0.0"
import express from "npm:express@^5.3.0";
import { rateLimit } from "npm:express-rate-limit@^8.7.5";
import { type RedisReply, RedisStore } from "npm:rate-limit-redis@^6.0.1";
import { runProgram } from "./_program.ts";

const LIMIT = 5;

await runProgram(async ({ client, ledger }) => {
  const redis = client();
  const app = express();
  app.use(rateLimit({
    store: new RedisStore({
      sendCommand: (command: string, ...args: string[]) =>
        redis.call(command, ...args) as Promise<RedisReply>,
    }),
    limit: LIMIT,
    windowMs: 600_000,
    keyGenerator: ({ path }) => path,
  }));
  app.get("/:id", (_, response) => void response.send("ok"));
  // Express prints what fails otherwise, with its stack.
  app.use((error: Error, _: express.Request, response: express.Response, __: unknown) =>
    void response.status(500).send(error.message)
  );
  const server = app.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    async work(id) {
      const response = await fetch(`${url}/${id}`);
      const text = await response.text();
      if (!response.ok) throw new Error(text);
      const counted = LIMIT - Number(response.headers.get("x-ratelimit-remaining"));
      for (let n = 0; n < counted; n++) ledger.done(id);
    },
    close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections(); // Those that fetch() keeps for later.
      return closed;
    },
  };
});
