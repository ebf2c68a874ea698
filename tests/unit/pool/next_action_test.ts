import { assertEquals } from "@std/assert";
import {
  type Action,
  nextAction,
  type PoolState,
  roomForLeases,
} from "../../../src/pool/next_action.ts";

const QUIET: PoolState = {
  max: 4,
  forLanes: 1,
  forLeases: 0,
  idle: 0,
  stale: false,
  connecting: 0,
  maxConnecting: 2,
  coming: 0,
  lanesWaiting: 0,
  leasesWaiting: 0,
  lastTurn: "lease",
  refused: new Set(),
};

const CASES: [what: string, now: Partial<PoolState>, step: Action][] = [
  ["no caller waits", {}, "rest"],
  ["no caller waits, whatever is idle", { idle: 3, forLeases: 3 }, "rest"],
  ["a caller waits, one is idle", { leasesWaiting: 1, idle: 1, forLeases: 1 }, "grant"],
  [
    "a caller waits, one is idle and stale",
    { leasesWaiting: 1, idle: 1, stale: true, forLeases: 1 },
    "validate",
  ],
  ["a caller waits, there is room", { leasesWaiting: 1 }, "open_lease"],
  [
    "one is on the way for each",
    { leasesWaiting: 2, coming: 2, forLeases: 2, connecting: 1 },
    "rest",
  ],
  [
    "one is on the way for one of two",
    { leasesWaiting: 2, coming: 1, forLeases: 1, connecting: 1 },
    "open_lease",
  ],
  [
    "two are being opened already",
    { leasesWaiting: 3, coming: 2, forLeases: 2, connecting: 2 },
    "rest",
  ],
  ["all places are taken", { leasesWaiting: 1, forLeases: 3 }, "rest"],
  [
    "the last place is for the first lane",
    { leasesWaiting: 1, forLanes: 0, forLeases: 3 },
    "rest",
  ],
  [
    "the last but one is not",
    { leasesWaiting: 1, forLanes: 0, forLeases: 2 },
    "open_lease",
  ],
  [
    "a lane comes before callers",
    { lanesWaiting: 1, leasesWaiting: 9, forLanes: 0 },
    "open_lane",
  ],
  [
    "a lane waits and all is taken, something is idle",
    { lanesWaiting: 1, forLeases: 3, idle: 1 },
    "make_room",
  ],
  [
    "another lane would take the last place",
    { lanesWaiting: 1, forLanes: 3 },
    "rest",
  ],
  [
    "a lane that cannot have the last place does not keep it from callers",
    { lanesWaiting: 1, forLanes: 3, leasesWaiting: 1 },
    "open_lease",
  ],
  ["a lane waits and all is in use", { lanesWaiting: 1, forLeases: 3 }, "rest"],
  [
    "callers do not take what a waiting lane needs",
    {
      lanesWaiting: 1,
      leasesWaiting: 1,
      forLeases: 2,
      refused: new Set(["lane"] as const),
    },
    "rest",
  ],
  [
    "a refused lane lets callers go on",
    {
      lanesWaiting: 1,
      leasesWaiting: 1,
      forLeases: 0,
      refused: new Set(["lane"] as const),
    },
    "open_lease",
  ],
  [
    "a refused lease rests",
    { leasesWaiting: 1, refused: new Set(["lease"] as const) },
    "rest",
  ],
  [
    "one place, the lane has it, a caller waits",
    { max: 1, leasesWaiting: 1 },
    "request_lane",
  ],
  [
    "one place, free, both wait, the lane had it",
    { max: 1, forLanes: 0, leasesWaiting: 1, lanesWaiting: 1, lastTurn: "lane" },
    "open_lease",
  ],
  [
    "one place, free, both wait, a lease had it",
    { max: 1, forLanes: 0, leasesWaiting: 1, lanesWaiting: 1, lastTurn: "lease" },
    "open_lane",
  ],
  [
    "one place, idle, a lane waits",
    { max: 1, forLanes: 0, forLeases: 1, idle: 1, lanesWaiting: 1, lastTurn: "lane" },
    "make_room",
  ],
  [
    "one place, idle, both wait, the lane had it",
    {
      max: 1,
      forLanes: 0,
      forLeases: 1,
      idle: 1,
      lanesWaiting: 1,
      leasesWaiting: 1,
      lastTurn: "lane",
    },
    "grant",
  ],
];

for (const [what, now, step] of CASES) {
  Deno.test(`nextAction() is ${step} when ${what}`, () => {
    assertEquals(nextAction({ ...QUIET, ...now }), step);
  });
}

Deno.test("roomForLeases() keeps a place for the first lane and for each that waits", () => {
  const room = (max: number, forLanes: number, forLeases: number, lanesWaiting = 0) =>
    roomForLeases({ max, forLanes, forLeases, lanesWaiting });
  assertEquals(room(4, 0, 0), 3);
  assertEquals(room(4, 1, 0), 3);
  assertEquals(room(4, 2, 0), 2);
  assertEquals(room(4, 0, 0, 2), 2);
  assertEquals(room(4, 1, 3), 0);
  assertEquals(room(4, 3, 3), 0);
  assertEquals(room(4, 3, 0, 5), 1);
  assertEquals(room(1, 0, 0), 1);
  assertEquals(room(1, 1, 0), 0);
});
