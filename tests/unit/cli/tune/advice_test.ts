import { assert, assertEquals, assertGreater, assertMatch } from "@std/assert";
import {
  type AdviceBasis,
  advise as adviseOn,
  type CurrentSettings,
  kneesOf,
} from "../../../../src/cli/tune/advice.ts";
import type { Contender } from "../../../../src/cli/tune/contender.ts";
import { type Effort, FULL, type Spec } from "../../../../src/cli/tune/plan.ts";
import type { Advice, Point, SweepName } from "../../../../src/cli/tune/report_types.ts";
import type { Round, RoundsOptions } from "../../../../src/cli/tune/rounds.ts";
import { runSweeps } from "../../../../src/cli/tune/tune.ts";
import { type ServerModel, simulate } from "./simulated_server.ts";
import { makePoint, percentiles } from "./point.ts";

const DEFAULT: CurrentSettings = {
  maxLanes: 1,
  maxConnections: 20,
  acquireTimeout: 3,
  socketTimeout: 5,
};

/** What a full run on a usual server recommends. */
function advise(
  points: readonly Point[],
  current: CurrentSettings,
  basis: Partial<AdviceBasis> = {},
): Advice[] {
  const usual = { shipped: DEFAULT, maxClients: 10_000, effort: "full" } as const;
  return adviseOn(points, { ...usual, current, ...basis });
}

const EFFORT: Effort = {
  ...FULL,
  concurrency: [1, 16, 64, 256],
  rounds: { least: 5, most: 7 },
};

/** A server by what shared connections and leases meet with on it, and its best setting. */
interface Simulation {
  readonly name: string;
  readonly lanes: ServerModel;
  readonly leases: ServerModel;
  readonly best: { readonly lanes: number; readonly leases: number };
}

const NEAR = { roundTripMs: 0, contention: 0.06 };

const SERVERS: readonly Simulation[] = [
  {
    name: "one thread for sockets, eight that run scripts",
    lanes: { ...NEAR, threads: 1, serviceMs: 0.01, ease: 1 },
    leases: { ...NEAR, threads: 8, serviceMs: 0.5, ease: 8 },
    best: { lanes: 1, leases: 8 },
  },
  {
    name: "four threads for sockets, thirty-two that run scripts",
    lanes: { ...NEAR, threads: 4, serviceMs: 0.02, ease: 4 },
    leases: { ...NEAR, threads: 32, serviceMs: 1, ease: 32, contention: 0.03 },
    best: { lanes: 4, leases: 32 },
  },
  {
    // (20 + 0.5) / 0.5 = 41 leases keep it busy; from 48 on more of them cost.
    name: "one thread, 20 ms away",
    lanes: { ...NEAR, threads: 2, serviceMs: 0.02, ease: 2 },
    leases: {
      ...{ threads: 1, serviceMs: 0.5, ease: 48, roundTripMs: 20, contention: 0.03 },
    },
    best: { lanes: 2, leases: 48 },
  },
];

function measureOn(server: Simulation, ms: number): RoundsOptions["measure"] {
  let seed = 1;
  return (spec: Spec): Promise<Round> => {
    const isLease = spec.mix === "lease";
    const [model, connections] = isLease
      ? [server.leases, spec.leases] as const
      : [server.lanes, spec.lanes] as const;
    const found = simulate(model, spec.concurrency, connections, ms, seed++);
    return Promise.resolve({
      ...found,
      ...(isLease ? {} : { wait: simulate(model, 1, 1, 0.1, 1).wait }),
      clientCpu: null,
      serverCpu: null,
      connections,
      bytesPerSecond: { in: 0, out: 0 },
      errors: 0,
      mostPending: spec.concurrency,
    });
  };
}

const MOORING: Contender = {
  subject: "mooring",
  version: "0.0.0",
  mixes: ["get-heavy", "lease"],
  open: () => Promise.reject(new Error("nothing is opened here")),
};

async function tune(
  server: Simulation,
  current: CurrentSettings,
  ms: number = 60,
  only: readonly SweepName[] = ["lanes", "leases"],
): Promise<Point[]> {
  const { maxConnections, maxLanes } = current;
  let now = 0;
  return await runSweeps({
    effort: EFFORT,
    contenders: [MOORING],
    current: { lanes: maxLanes, leases: maxConnections - maxLanes },
    only,
  }, { measure: measureOn(server, ms), now: () => now += 1 });
}

const valueOf = (advice: readonly Advice[], key: Advice["key"]) =>
  advice.find((each) => each.key === key)!.value;

/** How well a server does under both loads, at the most callers of each. */
function score(server: Simulation, maxLanes: number, maxConnections: number): number {
  const leases = Math.max(1, Math.round(maxConnections) - maxLanes);
  const shared = simulate(server.lanes, 256, maxLanes, 1000, 99);
  const alone = simulate(server.leases, 64, leases, 1000, 98);
  return Math.sqrt(shared.perSecond * alone.perSecond);
}

for (const { best, lanes, leases, name } of SERVERS) {
  Deno.test(`the best setting is what a search of all sizes finds: ${name}`, () => {
    const most = (model: ServerModel, callers: number, sizes: number) => {
      const found = Array.from(
        { length: sizes },
        (_, index) => simulate(model, callers, index + 1, 400, 7).perSecond,
      );
      return { top: Math.max(...found), at: (size: number) => found[size - 1]! };
    };
    const [shared, alone] = [most(lanes, 256, 8), most(leases, 64, 64)];
    assertGreater(shared.at(best.lanes), 0.98 * shared.top);
    assertGreater(alone.at(best.leases), 0.98 * alone.top);
  });
}

for (const server of SERVERS) {
  Deno.test(`advise() beats default, double and half: ${server.name}`, async () => {
    const points = await tune(server, DEFAULT);
    const advice = advise(points, DEFAULT);
    const lanes = valueOf(advice, "max_lanes");
    const connections = valueOf(advice, "max_connections");
    assertEquals([lanes, connections - lanes], [server.best.lanes, server.best.leases]);
    const reached = score(server, lanes, connections);
    const others = {
      default: [1, 20],
      doubled: [2 * lanes, 2 * connections],
      halved: [Math.ceil(lanes / 2), connections / 2],
    } as const;
    for (const [name, [otherLanes, otherConnections]] of Object.entries(others)) {
      const other = score(server, otherLanes, otherConnections);
      assertGreater(reached / other, 1.03, `${name}: ${reached} against ${other}`);
    }
    // Neither of the two hides what the other one costs.
    const sizes = [
      [server.lanes, 256, lanes],
      [server.leases, 64, connections - lanes],
    ] as const;
    for (const [model, callers, size] of sizes) {
      const at = (size: number) => simulate(model, callers, size, 1000, 97).perSecond;
      for (const other of [2 * size, size / 2].filter((other) => other >= 1)) {
        assertGreater(at(size) / at(other), 1.03, `${size} against ${other}`);
      }
    }
    for (const { reason } of advice) assertMatch(reason, /\d/);
  });

  Deno.test(`advise() changes nothing where the best is set: ${server.name}`, async () => {
    const { best } = server;
    const current = {
      ...DEFAULT,
      maxLanes: best.lanes,
      maxConnections: best.lanes + best.leases,
    };
    const advice = advise(await tune(server, current), current);
    assertEquals(
      advice.filter(({ key, value, current }) => /^max/.test(key) && value !== current),
      [],
    );
  });
}

Deno.test("advise() gives an acquire_timeout above every wait that was met", async () => {
  const server = SERVERS[2]!;
  const slow = { ...server, leases: { ...server.leases, serviceMs: 40 } };
  const current = { ...DEFAULT, acquireTimeout: 0.5 };
  const points = await tune(slow, current, 3000, ["leases"]);
  const advice = advise(points, current);
  const size = valueOf(advice, "max_connections") - current.maxLanes;
  const { waitMs } = points.find(({ leases }) => leases === size)!;
  assertGreater(waitMs!.max.high, 500);
  assertGreater(valueOf(advice, "acquire_timeout") * 1000, waitMs!.max.high);
});

/** Replies of five rounds, by their p99.9 and the longest of each. */
function replies(p999: readonly number[], max: readonly number[]): Point[] {
  const spread = (values: readonly number[]) => ({
    median: values.toSorted((a, b) => a - b)[2]!,
    low: Math.min(...values),
    high: Math.max(...values),
  });
  const usual = percentiles(0.05, 0.08, 0, 0);
  const latencyMs = { ...usual, p999: spread(p999), max: spread(max) };
  return [point({ sweep: "values", mix: "get-heavy", latencyMs })];
}

const always = (ms: number) => [ms, ms, ms, ms, ms];

/** What becomes of a timeout of so many seconds. */
function timeout(
  points: readonly Point[],
  socketTimeout: number,
  effort: AdviceBasis["effort"] = "full",
): number {
  const advice = advise(points, { ...DEFAULT, socketTimeout }, { effort });
  return valueOf(advice, "socket_timeout");
}

Deno.test("advise() raises a socket_timeout that is too tight, after a quick run too", () => {
  // Ten times 150 ms, four times 700 ms.
  const points = replies(always(150), always(700));
  for (const effort of ["quick", "full"] as const) {
    assertEquals(timeout(points, 1, effort), 3);
    assertEquals(timeout(points, 3, effort), 3);
    // Enough, if no round number.
    assertEquals(timeout(points, 2.9, effort), 2.9);
    assertEquals(timeout(replies(always(0.1), always(1)), 0.1, effort), 0.5);
  }
});

Deno.test("advise() lowers a socket_timeout to the default at the most, and never after a quick run", () => {
  const fast = replies(always(0.1), always(1));
  assertEquals(timeout(fast, 30), 5);
  assertEquals(timeout(fast, 30, "quick"), 30);
  for (const kept of [1, 5, 9]) assertEquals(timeout(fast, kept), kept);
  // What was seen asks for more than the default.
  assertEquals(timeout(replies(always(800), always(1000)), 30), 10);
});

Deno.test("advise() lets one bad moment of five rounds decide nothing", () => {
  const outlier = replies([0.1, 0.1, 0.1, 0.1, 4000], [1, 1, 1, 1, 9000]);
  assertEquals(timeout(outlier, 5), 5);
  assertEquals(timeout(outlier, 30), 5);
  const usual = replies([0.1, 0.1, 4000, 4000, 4000], [1, 1, 9000, 9000, 9000]);
  assertEquals(timeout(usual, 5), 45);
});

Deno.test("advise() keeps an acquire_timeout of the default, however short the waits were", () => {
  const waitMs = percentiles(0, 0.1, 0.2, 1);
  const points = [point({ leases: 19, waitMs })];
  assertEquals(valueOf(advise(points, DEFAULT), "acquire_timeout"), 3);
  const patient = { ...DEFAULT, acquireTimeout: 30 };
  assertEquals(valueOf(advise(points, patient), "acquire_timeout"), 3);
  const [, kept] = advise(points, patient, { effort: "quick" });
  assertEquals(kept!.value, 30);
  assertMatch(kept!.reason, /quick run/);
});

function point(values: Partial<Point>): Point {
  const perSecond = { median: 1000, low: 990, high: 1010 };
  return makePoint({ sweep: "leases", mix: "lease", leases: 1, perSecond, ...values });
}

const sized = (leases: number, median: number, noise: number) =>
  point({ leases, perSecond: { median, low: median - noise, high: median + noise } });

Deno.test("advise() keeps what is there while the gain is within the noise", () => {
  for (const noise of [200, 500]) {
    const points = [sized(19, 1000, noise), sized(32, 1150, noise)];
    assertEquals(valueOf(advise(points, DEFAULT), "max_connections"), 20);
  }
  const clear = [sized(19, 1000, 20), sized(32, 1150, 20)];
  assertEquals(valueOf(advise(clear, DEFAULT), "max_connections"), 33);
});

Deno.test("advise() takes connections away only where it is sure that fewer are as good", () => {
  const current = { ...DEFAULT, maxConnections: 101 };
  const points = (noise: number) => [sized(4, 1000, noise), sized(100, 1000, noise)];
  assertEquals(valueOf(advise(points(300), current), "max_connections"), 101);
  // Eight stay for those who block, one is the lane.
  const fewer = advise(points(10), current);
  assertEquals(valueOf(fewer, "max_connections"), 9);
  // What it did not see takes its place beside them.
  assertMatch(
    fewer.find(({ key }) => key === "max_connections")!.reason,
    /createClient\(\)/,
  );
  const quick = advise(points(10), current, { effort: "quick" });
  assertEquals(valueOf(quick, "max_connections"), 101);
});

Deno.test("advise() leaves room under maxclients", () => {
  const points = [sized(19, 1000, 10), sized(64, 3000, 10)];
  const [advice] = advise(points, DEFAULT, { maxClients: 100 });
  assertEquals(advice!.value, 25);
  assertMatch(advice!.reason, /100 clients/);
});

Deno.test("advise() makes room for the lanes where leases were not measured", () => {
  const lanes = (lanes: number, median: number) =>
    point({
      ...{ sweep: "lanes", mix: "get-heavy", lanes, leases: 0 } as const,
      perSecond: { median, low: median, high: median },
    });
  const current = { ...DEFAULT, maxConnections: 3 };
  const advice = advise([lanes(1, 1000), lanes(4, 3000)], current);
  assertEquals(valueOf(advice, "max_lanes"), 4);
  assertEquals(valueOf(advice, "max_connections"), 6);
});

Deno.test("advise() says nothing of what was not measured", () => {
  assertEquals(advise([], DEFAULT), []);
});

Deno.test("kneesOf() has a knee for each number of lanes", async () => {
  const points = await tune(SERVERS[1]!, DEFAULT);
  const knees = kneesOf(points);
  assertEquals(knees.map(({ lanes }) => lanes), [1, 2, 3, 4, 6, 8]);
  for (const { concurrency, perSecond } of knees) {
    assert(EFFORT.concurrency.includes(concurrency));
    assertGreater(perSecond, 0);
  }
});
