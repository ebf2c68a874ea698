/** Keyv with `@keyv/valkey` 1: values that are set must be there. */

import KeyvValkey from "npm:@keyv/valkey@^1.0.11";
import Keyv from "npm:keyv@^5.6.0";
import { cache } from "./_cache.ts";
import { runProgram } from "./_program.ts";

type Client = ConstructorParameters<typeof KeyvValkey>[0];

await runProgram(({ client, ledger }) => {
  // Its types are those of iovalkey, whose class has other members than that of ioredis 6.
  const store = new KeyvValkey(client() as unknown as Client);
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
