import { assertEquals } from "@std/assert";
import { readExposition } from "./exposition.ts";

const HEAD = "# HELP a_total A.\n# TYPE a_total counter\n";
const HISTOGRAM = "# HELP h_seconds H.\n# TYPE h_seconds histogram\n";

Deno.test("readExposition() reads labels, escapes and numbers", () => {
  const { samples, types, problems } = readExposition(
    `${HEAD}a_total{b="x\\"y\\\\z\\n,}",c=""} 1.5e-7\na_total{b="2"} +Inf\n`,
  );
  assertEquals(problems, []);
  assertEquals(types, { a_total: "counter" });
  assertEquals(samples, [
    { name: "a_total", labels: { b: 'x"y\\z\n,}', c: "" }, value: 1.5e-7 },
    { name: "a_total", labels: { b: "2" }, value: Infinity },
  ]);
});

for (
  const [what, text, problem] of [
    ["a line without an end", `${HEAD}a_total 1`, "the last line does not end"],
    ["a quote that is not escaped", `${HEAD}a_total{b="x"y"} 1\n`, "cannot read"],
    ["a wrong escape", `${HEAD}a_total{b="\\x"} 1\n`, "cannot read"],
    ["a label twice", `${HEAD}a_total{b="1",b="2"} 1\n`, "cannot read"],
    ["a value that is no number", `${HEAD}a_total null\n`, "cannot read"],
    ["a line twice", `${HEAD}a_total{b="1"} 1\na_total{b="1"} 2\n`, "twice: "],
    ["a counter below 0", `${HEAD}a_total -1\n`, "a counter below 0"],
    ["HELP twice", `# HELP a_total B.\n${HEAD}a_total 1\n`, "HELP twice"],
    ["TYPE after lines", `a_total 1\n${HEAD}`, "HELP after its lines"],
    ["a family without TYPE", "# HELP a A.\na 1\n", "no type"],
    ["a family without HELP", "# TYPE a gauge\na 1\n", "no help"],
    ["a family without lines", HEAD, "no lines"],
    ["a type that is none", "# HELP a A.\n# TYPE a meter\na 1\n", "no such type"],
    ["a counter of another name", "# HELP a A.\n# TYPE a counter\na 1\n", "_total"],
    [
      "a gauge of a counter's name",
      "# HELP a_total A.\n# TYPE a_total gauge\na_total 1\n",
      "_total",
    ],
    ["milliseconds", "# HELP a_ms A.\n# TYPE a_ms gauge\na_ms 1\n", "base unit"],
    [
      "a family in two places",
      `${HEAD}a_total 1\n# HELP b B.\n# TYPE b gauge\nb 1\na_total{c="1"} 1\n`,
      "two places",
    ],
    [
      "a histogram without +Inf",
      `${HISTOGRAM}h_seconds_bucket{le="1"} 1\nh_seconds_sum 1\nh_seconds_count 1\n`,
      "no bucket +Inf",
    ],
    [
      "a histogram that falls",
      `${HISTOGRAM}h_seconds_bucket{le="1"} 2\nh_seconds_bucket{le="+Inf"} 1\nh_seconds_sum 1\nh_seconds_count 1\n`,
      "not cumulative",
    ],
    [
      "a histogram whose count differs",
      `${HISTOGRAM}h_seconds_bucket{le="+Inf"} 1\nh_seconds_sum 1\nh_seconds_count 2\n`,
      "_count is not",
    ],
    [
      "bounds in disorder",
      `${HISTOGRAM}h_seconds_bucket{le="2"} 1\nh_seconds_bucket{le="1"} 1\nh_seconds_bucket{le="+Inf"} 1\nh_seconds_sum 1\nh_seconds_count 1\n`,
      "do not rise",
    ],
  ] as const
) {
  Deno.test(`readExposition() notices ${what}`, () => {
    const { problems } = readExposition(text);
    assertEquals(problems.some((each) => each.includes(problem)), true, problems.join());
  });
}
