import { assert, assertEquals } from "@std/assert";
import { DeadlineHeap } from "../../../src/pool/deadline_heap.ts";
import { seededRandom } from "./random.ts";

class Entry {
  settled = false;
  constructor(readonly deadline: number) {}
}

Deno.test("DeadlineHeap.first gives the earliest entry that is not settled", () => {
  const random = seededRandom(7);
  const heap = new DeadlineHeap<Entry>();
  const waiting = new Set<Entry>();
  for (let step = 0; step < 20_000; step++) {
    if (random.next() < 0.5 || waiting.size === 0) {
      const entry = new Entry(random.below(1000));
      waiting.add(entry);
      heap.push(entry);
    } else {
      const entry = random.next() < 0.5 ? heap.first! : random.pick([...waiting])!;
      assert(waiting.delete(entry));
      entry.settled = true;
      heap.noteSettled();
    }
    if (step % 10 > 0) continue;
    const earliest = Math.min(...[...waiting].map(({ deadline }) => deadline));
    assertEquals(heap.first?.deadline ?? Infinity, earliest);
  }
});

Deno.test("DeadlineHeap keeps at most twice what waits, however many were settled", () => {
  const heap = new DeadlineHeap<Entry>();
  // The earliest stays, so that nothing is dropped because it comes up.
  heap.push(new Entry(0));
  for (let i = 1; i <= 100_000; i++) {
    const entry = new Entry(i);
    heap.push(entry);
    entry.settled = true;
    heap.noteSettled();
    assert(heap.size <= 64, `${heap.size} entries for 1 that waits`);
  }
  assertEquals(heap.first?.deadline, 0);
});
