import { LatencyHistogram } from "../../../../src/observability/histogram.ts";
import { Random } from "./random.ts";

/** A server as a model: what a command costs it, and how many it works on at a time. */
export interface ServerModel {
  /** Commands that it works on at the same time. */
  readonly threads: number;
  /** Mean time of one, in milliseconds; exponentially distributed. */
  readonly serviceMs: number;
  /** The way there and back, in milliseconds. */
  readonly roundTripMs: number;
  /** Each open connection beyond this many … */
  readonly ease: number;
  /** … makes a command dearer by this share. */
  readonly contention: number;
}

/** What callers on a number of connections met with. */
export interface Simulated {
  /** Commands a second. */
  readonly perSecond: number;
  /** From asking for a connection to the reply, in milliseconds. */
  readonly latency: LatencyHistogram;
  /** Waiting for a connection, in milliseconds. */
  readonly wait: LatencyHistogram;
}

type Event = readonly [at: number, kind: "arrive" | "served" | "reply", job: Job];

interface Job {
  askedAt: number;
}

/** Events in the order of their time: a binary heap. */
class Agenda {
  readonly #events: Event[] = [];

  push(event: Event): void {
    const events = this.#events;
    let at = events.push(event) - 1;
    for (
      let up = (at - 1) >> 1;
      at > 0 && events[up]![0] > event[0];
      up = (at - 1) >> 1
    ) {
      events[at] = events[up]!;
      events[at = up] = event;
    }
  }

  pop(): Event {
    const events = this.#events;
    const first = events[0]!;
    const last = events.pop()!;
    if (events.length === 0) return first;
    let at = 0;
    events[0] = last;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= events.length) return first;
      if (child + 1 < events.length && events[child + 1]![0] < events[child]![0]) child++;
      if (events[child]![0] >= last[0]) return first;
      events[at] = events[child]!;
      events[at = child] = last;
    }
  }
}

/**
 * Callers that each want a connection for one command at a time, and ask again as soon as
 * they have their reply: a closed queueing network, simulated event by event.
 *
 * @param model The server.
 * @param callers How many callers.
 * @param connections How many connections.
 * @param durationMs Simulated milliseconds, after as many that warm it up.
 * @param seed What the random numbers follow from.
 * @returns What the callers met with.
 */
export function simulate(
  model: ServerModel,
  callers: number,
  connections: number,
  durationMs: number,
  seed: number,
): Simulated {
  const { threads, serviceMs, roundTripMs, ease, contention } = model;
  const random = new Random(seed);
  const mean = serviceMs * (1 + contention * Math.max(0, connections - ease));
  const agenda = new Agenda();
  const latency = new LatencyHistogram();
  const wait = new LatencyHistogram();
  const forConnection: Job[] = [];
  const forThread: Job[] = [];
  let [free, idle, done] = [connections, threads, 0];
  const serve = (now: number, job: Job) => {
    idle--;
    agenda.push([now + random.exponential(mean), "served", job]);
  };
  const lease = (now: number, job: Job) => {
    free--;
    if (now >= durationMs) wait.record(now - job.askedAt);
    agenda.push([now + roundTripMs / 2, "arrive", job]);
  };
  const ask = (now: number, job: Job) => {
    job.askedAt = now;
    if (free > 0) lease(now, job);
    else forConnection.push(job);
  };
  for (let i = 0; i < callers; i++) ask(0, { askedAt: 0 });
  for (;;) {
    const [now, kind, job] = agenda.pop();
    if (now > 2 * durationMs) break;
    if (kind === "arrive") {
      if (idle > 0) serve(now, job);
      else forThread.push(job);
    } else if (kind === "served") {
      idle++;
      const next = forThread.shift();
      if (next !== undefined) serve(now, next);
      agenda.push([now + roundTripMs / 2, "reply", job]);
    } else {
      free++;
      if (now >= durationMs) {
        done++;
        latency.record(now - job.askedAt);
      }
      const next = forConnection.shift();
      if (next !== undefined) lease(now, next);
      ask(now, job);
    }
  }
  return { perSecond: done / (durationMs / 1000), latency, wait };
}
