import { assertEquals, assertThrows } from "@std/assert";
import { Backlog } from "../../../../src/commands/pubsub/subscription.ts";
import type { SubscriptionItem } from "../../../../src/commands/pubsub/types.ts";

function message(text: string): SubscriptionItem {
  return { kind: "message", channel: "c", message: text };
}

function drain(backlog: Backlog<string>): string[] {
  const taken: string[] = [];
  for (let item = backlog.shift(); item !== undefined; item = backlog.shift()) {
    taken.push(item.kind === "gap" ? `${item.reason} ${item.lost}` : item.message);
  }
  return taken;
}

Deno.test("Backlog.shift() gives items in order, however many came and went", () => {
  const backlog = new Backlog<string>({ maxQueued: 100, maxQueuedBytes: 1000 });
  const taken: string[] = [];
  for (let i = 0; i < 1000; i++) {
    backlog.push(message(String(i)), 1);
    if (i % 3 === 2) taken.push(...drain(backlog));
  }
  taken.push(...drain(backlog));
  assertEquals(taken, Array.from({ length: 1000 }, (_, i) => String(i)));
  assertEquals([backlog.size, backlog.bytes, backlog.dropped], [0, 0, 0]);
});

Deno.test("Backlog.push() drops the oldest by count, and reports it once", () => {
  const backlog = new Backlog<string>({ maxQueued: 3, maxQueuedBytes: 1000 });
  for (const text of ["1", "2", "3", "4", "5"]) backlog.push(message(text), 1);
  assertEquals([backlog.size, backlog.dropped], [3, 2]);
  assertEquals(drain(backlog), ["overflow 2", "3", "4", "5"]);
  backlog.push(message("6"), 1);
  assertEquals(drain(backlog), ["6"]);
});

Deno.test("Backlog.push() drops the oldest by bytes; one that is too large waits alone", () => {
  const backlog = new Backlog<string>({ maxQueued: 100, maxQueuedBytes: 10 });
  for (const text of ["1", "2", "3"]) backlog.push(message(text), 4);
  assertEquals([backlog.size, backlog.bytes], [2, 8]);
  backlog.push(message("large"), 50);
  assertEquals([backlog.size, backlog.bytes], [1, 50]);
  assertEquals(drain(backlog), ["overflow 3", "large"]);
});

Deno.test("Backlog.push() reports a gap that it drops, and counts no message for it", () => {
  const backlog = new Backlog<string>({ maxQueued: 1, maxQueuedBytes: 10 });
  backlog.push({ kind: "gap", reason: "reconnected", downMs: 5 }, 0);
  backlog.push(message("1"), 1);
  assertEquals(backlog.dropped, 0);
  assertEquals(drain(backlog), ["overflow 0", "1"]);
});

Deno.test("Backlog.excess() gives the limit for which something would be dropped", () => {
  const backlog = new Backlog<string>({ maxQueued: 2, maxQueuedBytes: 10 });
  assertEquals(backlog.excess(1000), undefined);
  backlog.push(message("1"), 6);
  assertEquals(backlog.excess(4), undefined);
  const bytes = { what: "bytes of messages", current: 11, limit: 10 };
  assertEquals(backlog.excess(5), bytes);
  backlog.push(message("2"), 1);
  assertEquals(backlog.excess(0), { what: "messages", current: 2, limit: 2 });
  backlog.clear();
  assertEquals([backlog.size, backlog.excess(1)], [0, undefined]);
});

Deno.test("Backlog throws RangeError for a limit that is no integer of 1 or more", () => {
  for (const bad of [0, -1, 1.5, NaN, Infinity]) {
    assertThrows(() => new Backlog({ maxQueued: bad, maxQueuedBytes: 1 }), RangeError);
    assertThrows(() => new Backlog({ maxQueued: 1, maxQueuedBytes: bad }), RangeError);
  }
});
