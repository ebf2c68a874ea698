/** What the router of a cluster makes of batches. */
import { assertEquals } from "@std/assert";
import { Command } from "../../../src/connection/driver.ts";
import { track, type TrackedCommand } from "../../../src/connection/tracked.ts";
import { DatabaseStatistics } from "../../../src/observability/statistics.ts";
import { ClusterRouter } from "../../../src/servers/cluster_router.ts";
import type { ServerConnections } from "../../../src/servers/server_connections.ts";
import { ClusterDirectory } from "../../../src/topology/cluster_directory.ts";
import { FakeClock } from "../../support/fake_clock.ts";

/** More than the arguments that one call takes. */
const MANY = 200_000;

Deno.test("ClusterRouter.submitBatch() sends a batch to its node together, however large it is", async () => {
  const clock = new FakeClock();
  const sent: TrackedCommand[] = [];
  const node = {
    submitBatch: (commands: readonly TrackedCommand[]) => {
      for (const command of commands) sent.push(command);
    },
  } as unknown as ServerConnections;
  const directory = new ClusterDirectory({
    ask: () => {
      const range = { first: 0, last: 16_383, node: { host: "a", port: 1 } };
      return Promise.resolve([range]);
    },
    changed: () => {},
    failed: () => {},
    clock,
  });
  await directory.ready();
  const router = new ClusterRouter({
    database: "main",
    maxWaiting: 10,
    directory,
    nodeAt: () => node,
    statistics: new DatabaseStatistics("main", clock),
    clock,
  });
  const owner = { replied: () => {}, failed: () => {} };
  const made = (name: string, ...args: string[]) =>
    track(new Command(name, args), owner, 1000);
  const batch = [
    made("get", "k"),
    made("multi"),
    ...Array.from({ length: MANY }, () => made("incr", "k")),
    made("exec"),
  ];
  router.submitBatch(batch);
  assertEquals(sent.length, batch.length);
  assertEquals(sent.every((command, i) => command === batch[i]), true);
  directory.close(new Error("over"));
});
