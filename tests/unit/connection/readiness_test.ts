import { assertEquals } from "@std/assert";
import { nextPollMs, parseLoading } from "../../../src/connection/readiness.ts";

Deno.test("parseLoading() reads percentage and estimate where the server reports them", () => {
  const info = "# Persistence\r\nloading:1\r\nloading_loaded_perc:42.50\r\n" +
    "loading_eta_seconds:7\r\n";
  assertEquals(parseLoading(info), { percent: 42.5, etaSeconds: 7 });
  assertEquals(parseLoading("# Persistence\r\nloading:1\r\n"), {});
});

Deno.test("nextPollMs() looks again after half of the estimate, within bounds", () => {
  assertEquals(nextPollMs(undefined), 50);
  assertEquals(nextPollMs(0), 50);
  assertEquals(nextPollMs(0.2), 100);
  assertEquals(nextPollMs(1), 200);
  assertEquals(nextPollMs(600), 200);
});
