import { assertEquals } from "@std/assert";
import { ConfigEpochs } from "../../../src/sentinel/sentinel_list.ts";

Deno.test("ConfigEpochs.isStale() is true of smaller numbers than the greatest that was recorded", () => {
  const epochs = new ConfigEpochs();
  assertEquals([epochs.isStale(0), epochs.isStale(undefined)], [false, false]);
  epochs.record(7);
  epochs.record(undefined);
  epochs.record(3);
  const asked = [6, 7, 8, undefined].map((epoch) => epochs.isStale(epoch));
  assertEquals(asked, [true, false, false, false]);
  assertEquals(epochs.newest, 7);
  epochs.reset();
  epochs.record(2);
  assertEquals([epochs.isStale(1), epochs.isStale(6)], [true, false]);
});

Deno.test("ConfigEpochs.newestOf() accepts stale answers if they are from more than half of the sentinels", () => {
  const epochs = new ConfigEpochs();
  const [one, two] = [{ epoch: 1 }, { epoch: 2 }];
  assertEquals(epochs.newestOf([], 0), undefined);
  assertEquals(epochs.newestOf([one], 2), undefined);
  assertEquals(epochs.newestOf([one, two], 4), undefined);
  assertEquals(epochs.newestOf([one], 1), one);
  assertEquals(epochs.newestOf([one, two], 3), two);
});
