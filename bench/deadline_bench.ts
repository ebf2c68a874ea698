/**
 * What the deadline of a command costs: an entry a tick and one timer a connection, beside
 * a timer for each command. One iteration sends a tick's commands and settles them.
 * Run: `deno bench bench/deadline_bench.ts`.
 */
import { InFlightLog } from "../src/connection/in_flight.ts";
import { DeadlineWatch } from "../src/connection/liveness.ts";
import { systemClock } from "../src/core/clock.ts";

const TIMEOUT_MS = 5000;

for (const commands of [1, 16, 64, 512]) {
  const group = `${commands} commands a tick`;
  const log = new InFlightLog();
  const watch = new DeadlineWatch(systemClock, {
    isOpen: true,
    bytesReceived: 0,
    checkDeadlines: () => log.total === 0 ? Infinity : log.oldest + TIMEOUT_MS,
  });

  Deno.bench({
    name: "in-flight log and deadline watch",
    group,
    baseline: true,
    fn() {
      const now = performance.now();
      log.beginTick(now);
      for (let i = 0; i < commands; i++) {
        log.add();
        watch.add(now + TIMEOUT_MS);
      }
      let settled = 0;
      log.settle(commands, (_sentAt, count) => settled += count);
      if (settled !== commands) throw new Error("lost some");
    },
  });

  Deno.bench({
    name: "a timer for each command",
    group,
    fn() {
      const timers = Array.from(
        { length: commands },
        () => setTimeout(() => {}, TIMEOUT_MS),
      );
      for (const timer of timers) clearTimeout(timer);
    },
  });
}
