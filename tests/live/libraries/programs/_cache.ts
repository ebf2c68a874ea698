/** What the programs for caches and stores have in common. */

import type { Library, Stage } from "./_program.ts";

/** A cache, in the words of all these libraries. */
interface Cache {
  /** Sets a value; false, or an error: it may not have. */
  set(key: string, value: string): Promise<unknown>;
  get(key: string): Promise<unknown>;
}

/** Each task sets a value that must then be there; what is not told to be set may not be. */
export function cache(
  { set, get }: Cache,
  ledger: Stage["ledger"],
  close: () => Promise<unknown>,
): Library {
  const look = async (id: string) => {
    if (await get(id) === `value of ${id}`) ledger.done(id);
  };
  return {
    async work(id) {
      if (await set(id, `value of ${id}`) === false) throw new Error("Not set");
      await look(id).catch(() => {}); // Once more at the end.
    },
    async finish() {
      for (const id of ledger.open) await look(id);
    },
    close,
  };
}
