import { setImmediate } from "node:timers";

/** What a load needs of time; a test gives one of its own. */
export interface LoadClock {
  /** Milliseconds of monotonic time. */
  now(): number;
  /** Waits; 0 lets sockets be read and goes on. */
  pause(ms: number): Promise<void>;
}

/** The host's clock. */
export const hostClock: LoadClock = {
  now: () => performance.now(),
  pause: (ms) =>
    new Promise((resolve) => {
      if (ms === 0) setImmediate(resolve);
      else setTimeout(resolve, ms);
    }),
};
