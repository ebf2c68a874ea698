/** What the command line needs of time. */
export interface CliClock {
  now(): number;
  wallNow(): number;
  setTimer(fn: () => void, ms: number): { cancel(): void };
}

/** The host's clock; its timers do not keep the process alive. */
export const hostClock: CliClock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  setTimer: (fn, ms) => {
    const id = setTimeout(fn, ms);
    // A number on Deno up to 2.7, an object with unref() later.
    if (typeof id === "number") Deno.unrefTimer(id);
    else (id as { unref(): void }).unref();
    return { cancel: () => clearTimeout(id) };
  },
};
