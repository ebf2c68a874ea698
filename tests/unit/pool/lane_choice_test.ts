import { assertEquals } from "@std/assert";
import {
  areAllNeeded,
  LaneGrowth,
  SATURATED_IN_FLIGHT,
} from "../../../src/pool/lane_choice.ts";

/** Ticks after which another lane is wanted, of ticks with these loads. */
function wantedAt(loads: readonly number[], mayOpen = true): number[] {
  const growth = new LaneGrowth();
  const wanted: number[] = [];
  loads.forEach((load, tick) => {
    if (growth.wantsLane(tick, load, mayOpen)) wanted.push(tick);
  });
  return wanted;
}

const BUSY = SATURATED_IN_FLIGHT;

Deno.test("LaneGrowth.wantsLane() wants another lane after eight saturated ticks in a row, and again after eight", () => {
  assertEquals(wantedAt(Array(20).fill(BUSY)), [7, 15]);
  assertEquals(wantedAt(Array(20).fill(BUSY - 1)), []);
});

Deno.test("LaneGrowth.wantsLane() begins to count anew after a tick that was not saturated", () => {
  assertEquals(wantedAt([...Array(7).fill(BUSY), 0, ...Array(8).fill(BUSY)]), [15]);
});

Deno.test("LaneGrowth.wantsLane() wants none while one is being opened, and one as soon as that is over", () => {
  const growth = new LaneGrowth();
  for (let tick = 0; tick < 12; tick++) {
    assertEquals(growth.wantsLane(tick, BUSY, false), false);
  }
  assertEquals(growth.wantsLane(12, BUSY, true), true);
});

Deno.test("LaneGrowth.wantsLane() counts a tick once, and at any time in it", () => {
  const growth = new LaneGrowth();
  for (let tick = 0; tick < 7; tick++) {
    for (const load of [0, BUSY, BUSY]) {
      assertEquals(growth.wantsLane(tick, load, true), false);
    }
  }
  assertEquals(growth.wantsLane(7, 0, true), false);
  assertEquals(growth.wantsLane(7, BUSY, true), true);
});

Deno.test("areAllNeeded() says so from the load on that would make one lane less busy", () => {
  for (
    const [lanes, leastLoad, needed] of [
      [2, 63, false],
      [2, 64, true],
      [3, 85, false],
      [3, 86, true],
      [8, 111, false],
      [8, 112, true],
    ] as const
  ) assertEquals(areAllNeeded(lanes, leastLoad), needed, `${lanes} at ${leastLoad}`);
});
