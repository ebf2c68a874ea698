import { assertEquals } from "@std/assert";
import {
  type Contender,
  MOORING,
  NEAR_CACHE,
} from "../../../../src/cli/tune/contender.ts";
import { FULL, QUICK, specsOf } from "../../../../src/cli/tune/plan.ts";
import {
  type Mix,
  type Subject,
  SWEEP_NAMES,
} from "../../../../src/cli/tune/report_types.ts";

function contender(subject: Subject, mixes: readonly Mix[]): Contender {
  const open = () => Promise.reject(new Error("nothing is opened here"));
  return { subject, version: "0.0.0", mixes, open };
}

const ALL = ["get-heavy", "write-heavy", "pipeline", "blocking", "lease"] as const;
const contenders = [
  contender("mooring", ALL),
  contender("ioredis", ["get-heavy", "write-heavy", "pipeline"]),
];
const current = { lanes: 1, leases: 19 };

Deno.test("the sweeps cover lanes 1 to 8, leases 1 to 64, 1 to 1,024 callers, 16 B to 64 KiB", () => {
  for (const effort of [QUICK, FULL]) {
    const plan = { effort, contenders, current };
    const range = (values: readonly number[]) => [
      Math.min(...values),
      Math.max(...values),
    ];
    const lanes = specsOf("lanes", plan, 1);
    const own = lanes.filter(({ subject }) => subject === "mooring");
    assertEquals(range(own.map((spec) => spec.lanes)), [1, 8]);
    assertEquals(range(lanes.map(({ concurrency }) => concurrency)), [1, 1024]);
    const leases = specsOf("leases", plan, 1);
    assertEquals(range(leases.map((spec) => spec.leases)), [1, 64]);
    const values = specsOf("values", plan, 1);
    assertEquals(range(values.map(({ valueBytes }) => valueBytes)), [16, 65_536]);
  }
});

Deno.test("the sweep of mixes has every mix, side by side where the others can do it", () => {
  const specs = specsOf("mixes", { effort: QUICK, contenders, current }, 1);
  const mixesOf = (name: Subject) =>
    specs.filter(({ subject }) => subject === name).map(({ mix }) => mix);
  assertEquals(mixesOf("mooring"), ["get-heavy", "write-heavy", "pipeline", "blocking"]);
  assertEquals(mixesOf("ioredis"), ["get-heavy", "write-heavy", "pipeline"]);
});

Deno.test("the near cache is measured in the sweep of mixes alone, with as many lanes", () => {
  const plan = { effort: QUICK, contenders: [MOORING, NEAR_CACHE], current };
  const near = SWEEP_NAMES.flatMap((sweep) => specsOf(sweep, plan, 1))
    .filter(({ subject }) => subject === "near cache");
  assertEquals(
    near.map(({ lanes, mix, sweep }) => [sweep, mix, lanes]),
    ["get-heavy", "write-heavy"].map((mix) => ["mixes", mix, current.lanes]),
  );
});
