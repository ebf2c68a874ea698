/** What the programs for locks have in common. */

import type { Library, Stage } from "./_program.ts";

/** How long a lock lasts that nobody releases, in milliseconds: an outage and more. */
const LOCK_MS = 4000;

/** How often a lock is tried: until one that nobody releases is over. Not for ever, as what
 * was released, and whose reply was lost, is tried to be released again that often. */
export const RETRIES = { retryCount: 200, retryDelay: 30, retryJitter: 10 };

/** Locks, in the words of both libraries. */
interface Locks {
  acquire(resources: string[], ms: number): Promise<{ release(): Promise<unknown> }>;
  using<T>(resources: string[], ms: number, run: () => Promise<T>): Promise<T>;
}

/** Each task holds one of a few locks for a moment; two at a time count as done twice. */
export function locks(redlock: Locks, ledger: Stage["ledger"]): Library {
  const held = new Set<string>();
  const hold = async (resource: string, id: string) => {
    ledger.done(id);
    if (held.has(resource)) ledger.done(id);
    held.add(resource);
    await new Promise((resolve) => setTimeout(resolve, 2));
    held.delete(resource);
  };
  return {
    everyMs: 20,
    async work(id) {
      const resource = `lock ${Number(id) % 8}`;
      if (Number(id) % 3 === 0) {
        return await redlock.using([resource], LOCK_MS, () => hold(resource, id));
      }
      const lock = await redlock.acquire([resource], LOCK_MS);
      await hold(resource, id);
      await lock.release();
    },
    close: () => Promise.resolve(),
  };
}
