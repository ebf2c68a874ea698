import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { conclusions, enoughLeases } from "../../../bench/simulation/conclusions.ts";
import { simulate } from "../../../bench/simulation/run.ts";
import { simulationPage, simulationSection } from "../../../bench/simulation/section.ts";

const SMALL = {
  callers: 1000,
  instances: [1, 501],
  stormInstances: 10,
  awayMs: 10_000,
  flapInstances: 2,
  flapSeconds: 3,
};
const report = await simulate(SMALL, 1);

Deno.test("simulate() runs each part with the defaults of the schema", () => {
  const { defaults, queue, clients, storms, flaps } = report;
  assertEquals(defaults, {
    maxConnections: 20,
    acquireTimeoutMs: 3000,
    circuitBreakerTimeoutMs: 60_000,
    healthCheckIntervalMs: 30_000,
  });
  const latencies = new Set(queue.rows.map(({ latencyMs }) => latencyMs));
  assertEquals([Math.min(...latencies), Math.max(...latencies)], [0.1, 80]);
  assertEquals(clients.at(-1)?.refused, 501 * 20 - 10_000);
  assertEquals([storms.rows.length, flaps.rows.length], [4, 2]);
  for (const { had, refused, wanted } of clients) assertEquals(had + refused, wanted);
  for (const { breaker, trips } of storms.rows) assertEquals(trips, breaker ? 10 : 0);
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
});

Deno.test("the page has the conclusions, every chart with its table, and the data", () => {
  const { html } = simulationSection(report);
  const ids = [...html.matchAll(/<figure[^>]*id="([^"]+)"/g)].map(([, id]) => id);
  assertEquals(ids.length, new Set(ids).size);
  assertEquals(html.match(/<figure/g)?.length, 3);
  assertEquals(html.match(/<details/g)?.length, 3);
  assertMatch(html, /<li>max_connections: /);
  const page = simulationPage(report);
  const [, json] = page.match(/id="simulation-data">(.*)<\/script>/)!;
  assertEquals(JSON.parse(json!), JSON.parse(JSON.stringify(report)));
});
