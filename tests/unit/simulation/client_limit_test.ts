import { assertEquals } from "@std/assert";
import { largestPool, runClientLimit } from "../../../bench/simulation/client_limit.ts";
import { USUAL_SERVER } from "../../../bench/simulation/model_server.ts";

function limit(instances: number, maxConnections: number, maxClients = 200) {
  return runClientLimit({
    instances,
    maxConnections,
    acquireTimeoutMs: 3000,
    server: { ...USUAL_SERVER, maxClients },
  });
}

Deno.test("the largest pool is refused nothing, and one more is", async () => {
  for (const instances of [1, 7, 20]) {
    const size = largestPool(instances, 200);
    const [fits, over] = [await limit(instances, size), await limit(instances, size + 1)];
    assertEquals([fits.had, fits.refused], [instances * size, 0]);
    assertEquals([over.had, over.refused], [200, instances * (size + 1) - 200]);
  }
});

Deno.test("what is refused and what is had is what was wanted, at the server too", async () => {
  const { wanted, had, refused, without, server } = await limit(40, 10);
  assertEquals([wanted, had, refused, without], [400, 200, 200, 20]);
  assertEquals([server.accepted, server.refused, server.dropped], [200, 200, 0]);
  assertEquals([server.connects, server.peakClients], [400, 200]);
});

Deno.test("no pool is small enough where there are more instances than places", async () => {
  assertEquals(largestPool(201, 200), 0);
  assertEquals((await limit(201, 1)).without, 1);
});
