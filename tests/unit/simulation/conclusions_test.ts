import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { conclusions, enoughLeases } from "../../../bench/simulation/conclusions.ts";
import { simulate } from "../../../bench/simulation/run.ts";
import { formatNumber } from "../../../src/cli/numbers.ts";
import { simulationPage, simulationSection } from "../../../bench/simulation/section.ts";

const SMALL = {
  seeds: [1, 2],
  callers: 500,
  instances: [1, 501],
  commands: 500,
  stormInstances: 5,
  scaleInstances: [1, 8],
  awayMs: 10_000,
  hangUpSeconds: 3,
};
const report = await simulate(SMALL);

Deno.test("simulate() runs each part with the defaults of the schema", () => {
  const { clients, defaults, hangUps, loads, queue, scale, storms } = report;
  assertEquals(defaults, {
    maxConnections: 20,
    acquireTimeoutMs: 3000,
    circuitBreakerTimeoutMs: 60_000,
    healthCheckIntervalMs: 30_000,
  });
  const latencies = new Set(queue.rows.map(({ latencyMs }) => latencyMs));
  assertEquals([Math.min(...latencies), Math.max(...latencies)], [0.1, 80]);
  for (const { meanRangeMs: [least, most], meanWaitMs } of queue.rows) {
    assert(least <= meanWaitMs && meanWaitMs <= most);
  }
  assertEquals(clients.at(-1)?.refused, 501 * 20 - 10_000);
  for (const { had, refused, wanted } of clients) assertEquals(had + refused, wanted);
  assertEquals([loads.length, storms.rows.length, hangUps.rows.length], [9, 6, 5]);
  assertEquals(scale.rows.map(({ instances }) => instances), [1, 8]);
  for (const { trips, without } of storms.rows) {
    assertEquals(trips, without.includes("breaker") ? 0 : 5);
  }
});

Deno.test("conclusions() follow from the numbers", () => {
  const words = conclusions(report).join("\n");
  assertStringIncludes(words, "500 instances fit a maxclients of 10,000");
  assertStringIncludes(words, "501 were refused 20 of 10,020");
  const changed = conclusions({
    ...report,
    defaults: { ...report.defaults, maxConnections: 5 },
  });
  assertStringIncludes(changed.join("\n"), "2,000 instances fit a maxclients of 10,000");
  const enough = enoughLeases(report, 80);
  assert(enough !== undefined && enough.load < 1);
  assertStringIncludes(words, `${enough.leases} at 80 ms`);
  assertStringIncludes(words, "8 instances make");
  const { allBackMs, awayMs } = report.outages.rows.at(-1)!;
  assertStringIncludes(
    words,
    `${formatNumber(allBackMs / 1000)} s after ${
      formatNumber(awayMs / 1000)
    } s of outage`,
  );
});

Deno.test("the page has the conclusions, every chart with its table, and the data", () => {
  const { html } = simulationSection(report);
  const ids = [...html.matchAll(/<figure[^>]*id="([^"]+)"/g)].map(([, id]) => id);
  assertEquals(ids.length, new Set(ids).size);
  assertEquals(html.match(/<figure/g)?.length, 3);
  assertEquals(html.match(/<details/g)?.length, 3);
  assertMatch(html, /<li>max_connections: /);
  assertEquals(html.match(/without breaker and retry budget/g)?.length, 2);
  const page = simulationPage(report);
  const [, json] = page.match(/id="simulation-data">(.*)<\/script>/)!;
  assertEquals(JSON.parse(json!), JSON.parse(JSON.stringify(report)));
});
