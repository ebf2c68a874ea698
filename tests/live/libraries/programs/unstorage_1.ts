/** `unstorage` 1 with a driver of its own: its driver for Redis takes no client. */

import type { Redis } from "ioredis";
import { createStorage, defineDriver } from "npm:unstorage@^1.17.6";
import { cache } from "./_cache.ts";
import { runProgram } from "./_program.ts";

const redisDriver = defineDriver(({ client }: { client: Redis }) => ({
  name: "ioredis client",
  hasItem: async (key) => await client.exists(key) === 1,
  getItem: (key) => client.get(key),
  setItem: async (key, value) => void await client.set(key, value),
  removeItem: async (key) => void await client.del(key),
  getKeys: async (base) => {
    const keys: string[] = [];
    for await (const found of client.scanStream({ match: `${base}*` })) {
      keys.push(...found);
    }
    return keys;
  },
  dispose: async () => void await client.quit(),
}));

await runProgram(({ client, ledger }) => {
  const storage = createStorage<string>({ driver: redisDriver({ client: client() }) });
  return cache(
    {
      set: (key, value) => storage.setItem(`task:${key}`, value),
      get: (key) => storage.getItem(`task:${key}`),
    },
    ledger,
    () => storage.dispose(),
  );
});
