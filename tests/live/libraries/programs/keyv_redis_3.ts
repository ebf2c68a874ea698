/** Keyv with `@keyv/redis` 3: values that are set must be there. */

import KeyvRedis from "npm:@keyv/redis@^3.0.1";
import Keyv from "npm:keyv@^5.6.0";
import { cache } from "./_cache.ts";
import { runProgram } from "./_program.ts";

type Client = ConstructorParameters<typeof KeyvRedis>[0];

await runProgram(({ client, ledger }) => {
  // Its types are those of ioredis 5, whose class has other members than that of ioredis 6.
  const store = new KeyvRedis(client() as unknown as Client);
  const keyv = new Keyv({ store });
  keyv.on("error", () => {}); // What fails is told by the ledger.
  return cache(
    {
      set: (key, value) => keyv.set(key, value, 600_000),
      get: (key) => keyv.get(key),
    },
    ledger,
    () => keyv.disconnect(),
  );
});
