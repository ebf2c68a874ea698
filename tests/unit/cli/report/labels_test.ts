import { assert, assertEquals } from "@std/assert";
import { placeLabels } from "../../../../src/cli/tune/report/labels.ts";

const PLOT = { left: 0, right: 400, top: 0, bottom: 300 };

Deno.test("placeLabels() stands a text above its point where there is room", () => {
  const anchor = { x: 200, y: 150, text: "knee: 64" };
  const [label] = placeLabels([anchor], [[{ x: 200, y: 150 }]], PLOT, 7);
  assertEquals(label?.x, 200);
  assert(label !== undefined && label.y < 140, `${label?.y}`);
});

Deno.test("placeLabels() keeps off lines, other texts and the plot's edges", () => {
  const flat = [{ x: 0, y: 132 }, { x: 400, y: 132 }];
  const [below] = placeLabels([{ x: 200, y: 150, text: "knee" }], [flat], PLOT, 7);
  assert(below !== undefined && below.y > 160, `${below?.y}`);
  const [inside] = placeLabels([{ x: 395, y: 5, text: "knee: 1,024" }], [], PLOT, 7);
  assert(inside !== undefined && inside.x < 360 && inside.y > 5, `${inside?.x}`);
  const same = { x: 200, y: 150, text: "knee" };
  const both = placeLabels([same, same], [], PLOT, 7);
  assertEquals(both.length, 2);
  assert(
    Math.abs(both[0]!.y - both[1]!.y) > 14 || Math.abs(both[0]!.x - both[1]!.x) > 28,
  );
});

Deno.test("placeLabels() leaves out a text that has no room", () => {
  const small = { left: 190, right: 210, top: 140, bottom: 160 };
  assertEquals(placeLabels([{ x: 200, y: 150, text: "knee: 64" }], [], small, 7), []);
});
