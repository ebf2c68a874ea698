import { assertEquals } from "@std/assert";
import { formatNumber } from "../../../src/cli/numbers.ts";

Deno.test("formatNumber() writes three digits that count, and whole numbers whole", () => {
  for (
    const [value, text] of [
      [0, "0"],
      [0.061234, "0.0612"],
      [1.5, "1.5"],
      [12.345, "12.3"],
      [123.45, "123"],
      [1024, "1,024"],
      [412_345.6, "412,346"],
      [-1.25, "-1.25"],
    ] as const
  ) assertEquals(formatNumber(value), text);
});

Deno.test("formatNumber() shortens, counts bytes and writes ratios", () => {
  assertEquals(
    [950, 50_000, 412_345, 1_500_000].map((value) => formatNumber(value, "compact")),
    ["950", "50K", "412K", "1.5M"],
  );
  assertEquals(
    [16, 1023, 1024, 65_536, 1_572_864, 2 ** 31, 2 ** 43].map((value) =>
      formatNumber(value, "bytes")
    ),
    ["16 B", "1,023 B", "1 KiB", "64 KiB", "1.5 MiB", "2 GiB", "8,192 GiB"],
  );
  assertEquals(formatNumber(2.4567, "ratio"), "2.46×");
});
