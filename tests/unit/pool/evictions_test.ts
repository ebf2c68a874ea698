import { assert, assertEquals } from "@std/assert";
import {
  LIFETIME_VARIANCE,
  lifetimeMs,
  selectEvictions,
} from "../../../src/pool/evictions.ts";

const idle = (id: string, since: number, expiresAt = Infinity) => ({
  id,
  since,
  expiresAt,
});

function evicted(
  candidates: ReturnType<typeof idle>[],
  now: number,
  idleTimeoutMs: number,
  spare: number,
): string[] {
  return selectEvictions(candidates, now, { idleTimeoutMs, spare })
    .map(({ candidate, reason }) => `${candidate.id} ${reason}`);
}

Deno.test("selectEvictions() takes the longest idle first, and leaves what is kept ready", () => {
  const candidates = [idle("a", 0), idle("b", 10), idle("c", 60)];
  assertEquals(evicted(candidates, 100, 50, 3), ["a idle_timeout", "b idle_timeout"]);
  assertEquals(evicted(candidates, 100, 50, 1), ["a idle_timeout"]);
  assertEquals(evicted(candidates, 100, 50, 0), []);
  assertEquals(evicted(candidates, 100, 50, -2), []);
});

Deno.test("selectEvictions() takes what is too old, even if it is to be kept ready", () => {
  const candidates = [idle("a", 0), idle("b", 10, 100), idle("c", 60, 101)];
  assertEquals(evicted(candidates, 100, 0, 0), ["b max_lifetime"]);
  // The old one counts as gone: only one more can be spared.
  assertEquals(evicted(candidates, 100, 1, 2), ["a idle_timeout", "b max_lifetime"]);
});

Deno.test("selectEvictions() evicts at the limit, not before, and nothing without one", () => {
  assertEquals(evicted([idle("a", 50)], 99, 50, 1), []);
  assertEquals(evicted([idle("a", 50)], 100, 50, 1), ["a idle_timeout"]);
  assertEquals(evicted([idle("a", 0)], 1e9, 0, 1), []);
});

Deno.test("lifetimeMs() takes up to 2.5 % off the limit, and never ends without one", () => {
  assertEquals(LIFETIME_VARIANCE, 0.025);
  assertEquals(lifetimeMs(1_800_000, 0), 1_800_000);
  assertEquals(lifetimeMs(1_800_000, 0.5), 1_777_500);
  assert(lifetimeMs(1_800_000, 0.999_999) >= 1_755_000);
  assertEquals(lifetimeMs(0, 0.5), Infinity);
});
