import { assertEquals, assertStringIncludes } from "@std/assert";
import { SentinelEpochs } from "../../../src/sentinel/sentinel_epochs.ts";

Deno.test("SentinelEpochs.isBehind() is true of smaller numbers than the greatest that was noted", () => {
  const epochs = new SentinelEpochs();
  assertEquals([epochs.isBehind(0), epochs.isBehind(undefined)], [false, false]);
  epochs.note(7);
  epochs.note(undefined);
  epochs.note(3);
  const asked = [6, 7, 8, undefined].map((epoch) => epochs.isBehind(epoch));
  assertEquals(asked, [true, false, false, false]);
  assertStringIncludes(epochs.failureOf(6).message, "failover 6, and 7 was known");
  epochs.forget();
  epochs.note(2);
  assertEquals([epochs.isBehind(1), epochs.isBehind(6)], [true, false]);
});

Deno.test("SentinelEpochs.latestOf() believes those that are behind if they are more than half", () => {
  const epochs = new SentinelEpochs();
  const [one, two] = [{ epoch: 1 }, { epoch: 2 }];
  assertEquals(epochs.latestOf([], 0), undefined);
  assertEquals(epochs.latestOf([one], 2), undefined);
  assertEquals(epochs.latestOf([one, two], 4), undefined);
  assertEquals(epochs.latestOf([one], 1), one);
  assertEquals(epochs.latestOf([one, two], 3), two);
});
