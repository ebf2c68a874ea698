/** `connect-redis` 10, which is written for node-redis, with an adapter, under Express. */

import type { AddressInfo } from "node:net";
import { RedisStore } from "npm:connect-redis@^10.0.0";
// @ts-types="npm:@types/express@^5.0.0"
import express from "npm:express@^5.3.0";
// @ts-types="npm:@types/express-session@^1.18.0"
import session from "npm:express-session@^1.19.0";
import type { Redis } from "ioredis";
import { runProgram } from "./_program.ts";

/** The methods that the store calls, as node-redis has them. */
function adapt(client: Redis) {
  return {
    get: (key: string) => client.get(key),
    set: (
      key: string,
      value: string,
      options?: { expiration: { type: "EX"; value: number } },
    ) =>
      options
        ? client.set(key, value, "EX", options.expiration.value)
        : client.set(key, value),
    expire: (key: string, seconds: number) => client.expire(key, seconds),
    del: (keys: string[]) => client.del(keys),
    mGet: (keys: string[]) => client.mget(keys),
    scanIterator: ({ MATCH, COUNT }: { MATCH: string; COUNT: number }) =>
      client.scanStream({ match: MATCH, count: COUNT }),
  };
}

/** The session of a request, with what this program keeps there. */
function sessionOf({ session }: express.Request): typeof session & { task?: string } {
  return session;
}

await runProgram(async ({ client, ledger }) => {
  const app = express();
  app.use(session({
    store: new RedisStore({ client: adapt(client()) }),
    secret: "secret",
    resave: false,
    saveUninitialized: false,
  }));
  app.get("/set/:id", (request, response) => {
    const session = sessionOf(request);
    session.task = request.params.id;
    session.save((error) => response.status(error ? 500 : 200).end());
  });
  app.get(
    "/get",
    (request, response) => void response.send(sessionOf(request).task ?? ""),
  );
  // Express prints what fails otherwise, with its stack.
  app.use((_error: Error, _: express.Request, response: express.Response, __: unknown) =>
    void response.status(500).end()
  );
  const server = app.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    everyMs: 20,
    async work(id) {
      const set = await fetch(`${url}/set/${id}`);
      await set.body?.cancel();
      if (!set.ok) throw new Error(`Status ${set.status}`);
      const cookie = set.headers.get("set-cookie")!.split(";")[0]!;
      const get = await fetch(`${url}/get`, { headers: { cookie } });
      const task = await get.text();
      if (!get.ok) throw new Error(`Status ${get.status}`);
      if (task === id) ledger.done(id);
    },
    close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections(); // Those that fetch() keeps for later.
      return closed;
    },
  };
});
