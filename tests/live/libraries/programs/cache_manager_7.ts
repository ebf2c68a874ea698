/** `cache-manager` 7 on Keyv: values that are set, and values that are computed. */

import KeyvRedis from "npm:@keyv/redis@^3.0.1";
import { createCache } from "npm:cache-manager@^7.2.9";
import Keyv from "npm:keyv@^5.6.0";
import { cache } from "./_cache.ts";
import { runProgram } from "./_program.ts";

type Client = ConstructorParameters<typeof KeyvRedis>[0];

await runProgram(({ client, ledger }) => {
  // Its types are those of ioredis 5, whose class has other members than that of ioredis 6.
  const store = new KeyvRedis(client() as unknown as Client);
  const manager = createCache({ stores: [new Keyv({ store })], ttl: 600_000 });
  return cache(
    {
      set: async (key, value) =>
        Number(key) % 2 === 0
          ? await manager.set(key, value)
          : await manager.wrap(key, () => value),
      get: (key) => manager.get(key),
    },
    ledger,
    () => manager.disconnect(),
  );
});
