/**
 * What a caller costs that has to wait for a connection: it comes, with a deadline and
 * perhaps a signal, and is served in turn, expires or is aborted. The baseline is an array
 * of promises, without deadlines. Each iteration is {@linkcode WAITERS} callers.
 * Run: `deno bench bench/wait_queue_bench.ts`.
 */
import { WaitQueue } from "../src/pool/wait_queue.ts";
import { FakeClock } from "../src/testing/fake_clock.ts";

const WAITERS = 1000;
const group = `${WAITERS} callers come and go`;

/** Adds the callers; their outcome is ignored. */
function fill(
  queue: WaitQueue<number>,
  signals?: readonly AbortSignal[],
): Promise<number>[] {
  return Array.from({ length: WAITERS }, (_, i) => {
    const waiting = queue.add({
      startedAt: i,
      timeoutMs: 3000 + i % 7,
      signal: signals?.[i],
    });
    waiting.catch(() => {});
    return waiting;
  });
}

function assertEmpty(queue: WaitQueue<number>): void {
  if (queue.length !== 0) throw new Error("a caller still waits");
}

Deno.bench({
  name: "an array of promises, for comparison",
  group,
  baseline: true,
  async fn() {
    const waiting: ((value: number) => void)[] = [];
    const all = Array.from(
      { length: WAITERS },
      () => new Promise<number>((resolve) => waiting.push(resolve)),
    );
    for (const resolve of waiting) resolve(1);
    await Promise.all(all);
  },
});

Deno.bench({
  name: "served in turn",
  group,
  async fn() {
    const queue = new WaitQueue<number>({ clock: new FakeClock() });
    const all = fill(queue);
    while (queue.head !== undefined) queue.serve(queue.head, 1);
    await Promise.all(all);
  },
});

Deno.bench({
  name: "expired, in the order of their deadlines",
  group,
  async fn() {
    const clock = new FakeClock();
    const why = new Error("too late");
    const queue = new WaitQueue<number>({ clock, timeoutError: () => why });
    const all = fill(queue);
    await clock.advance(4000 + WAITERS);
    assertEmpty(queue);
    await Promise.allSettled(all);
  },
});

Deno.bench({
  name: "aborted, each by a signal of its own",
  group,
  async fn() {
    const queue = new WaitQueue<number>({ clock: new FakeClock() });
    const controllers = Array.from({ length: WAITERS }, () => new AbortController());
    const all = fill(queue, controllers.map(({ signal }) => signal));
    for (const controller of controllers) controller.abort();
    assertEmpty(queue);
    await Promise.allSettled(all);
  },
});
