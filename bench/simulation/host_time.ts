import process from "node:process";
import type { Timer } from "../../src/core/clock.ts";
import type { SimClock } from "./sim_clock.ts";

/**
 * Puts the host's own time and chance under a simulation, for the code that does not go
 * through the clock's seam: `retry`, `delay` and `deadline` of @std/async, whose timers
 * are global and whose jitter is `Math.random`, and the client library, which puts off
 * parts of its handshake with `process.nextTick`.
 *
 * Nothing else may run in the process meanwhile.
 *
 * @param clock The time of the simulation.
 * @param random Its chance.
 * @returns Puts the host's own back when it is disposed of.
 */
export function takeHostTime(clock: SimClock, random: () => number): Disposable {
  const host = {
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    random: Math.random,
    timeout: AbortSignal.timeout,
    nextTick: process.nextTick,
  };
  const timers = new Map<number, Timer>();
  let lastId = 0;
  const setTimer = (fn: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
    const id = ++lastId;
    const run = () => {
      timers.delete(id);
      fn(...args);
    };
    timers.set(id, clock.setTimer(run, ms));
    return id;
  };
  const clearTimer = (id?: number) => {
    if (id === undefined) return;
    timers.get(id)?.cancel();
    timers.delete(id);
  };
  Object.assign(globalThis, { setTimeout: setTimer, clearTimeout: clearTimer });
  Math.random = random;
  AbortSignal.timeout = (ms) => {
    const controller = new AbortController();
    const error = () => new DOMException("Signal timed out.", "TimeoutError");
    clock.setTimer(() => controller.abort(error()), ms);
    return controller.signal;
  };
  process.nextTick = (fn: (...args: unknown[]) => void, ...args: unknown[]) =>
    queueMicrotask(() => fn(...args));
  return {
    [Symbol.dispose]() {
      const { setTimeout, clearTimeout } = host;
      Object.assign(globalThis, { setTimeout, clearTimeout });
      Math.random = host.random;
      AbortSignal.timeout = host.timeout;
      process.nextTick = host.nextTick;
    },
  };
}
