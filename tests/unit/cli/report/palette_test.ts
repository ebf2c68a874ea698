import { assertEquals, assertGreater } from "@std/assert";
import { DARK, LIGHT, seriesColor } from "../../../../src/cli/tune/report/style.ts";

type Rgb = readonly [number, number, number];

// Machado, Oliveira and Fernandes, 2009: how colours look without one kind of cone.
const VISION: Record<string, readonly Rgb[]> = {
  normal: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

function seen(hex: string, vision: readonly Rgb[]): Rgb {
  const linear = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  return vision.map((row) =>
    Math.min(1, Math.max(0, row.reduce((sum, part, i) => sum + part * linear[i]!, 0)))
  ) as unknown as Rgb;
}

/** Ottosson's OKLab, in which equal distances look about equal. */
function lab([red, green, blue]: Rgb): Rgb {
  const l = Math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue);
  const m = Math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue);
  const s = Math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function distance(one: string, other: string, vision: readonly Rgb[]): number {
  const [a, b] = [lab(seen(one, vision)), lab(seen(other, vision))];
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

for (const [name, palette] of Object.entries({ light: LIGHT, dark: DARK })) {
  Deno.test(`lines of different kinds stay apart for every vision, ${name}`, () => {
    for (const [kind, vision] of Object.entries(VISION)) {
      palette.categories.forEach((one, i) =>
        palette.categories.slice(0, i).forEach((other) =>
          // The first four are in every chart, the others hardly ever.
          assertGreater(
            distance(one, other, vision),
            i < 4 ? 0.1 : 0.07,
            `${kind}: ${one} ${other}`,
          )
        )
      );
    }
  });

  Deno.test(`lines that have an order do not look alike, ${name}`, () => {
    for (const [kind, vision] of Object.entries(VISION)) {
      for (const [count, least] of [[3, 0.2], [4, 0.14], [6, 0.07]] as const) {
        const colors = Array.from({ length: count }, (_, index) => {
          const place = /\d/.exec(seriesColor("order", index, count))!;
          return palette.order[Number(place[0])]!;
        });
        colors.forEach((one, i) =>
          colors.slice(0, i).forEach((other) =>
            assertGreater(
              distance(one, other, vision),
              least,
              `${kind}, ${count} lines: ${one} ${other}`,
            )
          )
        );
      }
    }
  });

  Deno.test(`the ramp's brightness alone tells the order, ${name}`, () => {
    const sign = name === "light" ? -1 : 1;
    for (const [kind, vision] of Object.entries(VISION)) {
      const brightness = palette.order.map((color) => sign * lab(seen(color, vision))[0]);
      assertEquals(brightness, brightness.toSorted((a, b) => a - b), kind);
    }
  });
}

Deno.test("seriesColor() spreads few lines over the whole ramp, and repeats kinds", () => {
  const colors = (count: number) =>
    Array.from({ length: count }, (_, index) => seriesColor("order", index, count));
  assertEquals(colors(2), ["var(--order-0)", "var(--order-7)"]);
  assertEquals(new Set(colors(8)).size, 8);
  assertEquals(colors(1), ["var(--order-0)"]);
  assertEquals(seriesColor("categories", 6, 8), "var(--categories-0)");
});
