/** What the router of a cluster does with commands that wait when it is closed. */
import { assertEquals } from "@std/assert";
import { Command } from "../../../src/connection/driver.ts";
import { settleFailed, track } from "../../../src/connection/tracked.ts";
import { DatabaseStatistics } from "../../../src/observability/statistics.ts";
import { ClusterRouter } from "../../../src/servers/cluster_router.ts";
import { ClusterDirectory } from "../../../src/topology/cluster_directory.ts";
import { drainMicrotasks, FakeClock } from "../../support/fake_clock.ts";

const DRAIN_MS = 5000;

/** A router of a cluster that never answers. */
class RouterBench {
  readonly clock = new FakeClock();
  readonly directory: ClusterDirectory;
  readonly router: ClusterRouter;
  readonly failures: string[] = [];
  /** How many commands its closing cut; `undefined` before it is over. */
  cut: number | undefined;

  constructor() {
    const { clock } = this;
    const directory = this.directory = new ClusterDirectory({
      ask: () => new Promise(() => {}),
      changed: () => {},
      failed: () => {},
      clock,
    });
    this.router = new ClusterRouter({
      database: "main",
      maxWaiting: 10,
      directory,
      nodeAt: () => {
        throw new Error("no node is known");
      },
      statistics: new DatabaseStatistics("main", clock),
      clock,
    });
  }

  /** A command that waits. */
  submit(name: string, timeoutMs: number) {
    const command = track(new Command(name), {
      replied: () => {},
      failed: (failed, error) => {
        this.failures.push(`${failed.name} ${error.name}`);
        settleFailed(failed, error);
      },
    }, timeoutMs);
    command.promise.catch(() => {});
    this.router.submit(command);
    return command;
  }

  async close(): Promise<void> {
    const closing = this.router.close(DRAIN_MS).then((cut) => this.cut = cut);
    await drainMicrotasks();
    // The directory outlives the router.
    void closing.then(() => this.directory.close(new Error("over")));
  }
}

Deno.test("ClusterRouter waits with its closing for commands that wait, and cuts them when the time is over", async () => {
  const bench = new RouterBench();
  bench.submit("ping", 60_000);
  await bench.close();
  await bench.clock.advance(DRAIN_MS - 1);
  assertEquals([bench.cut, bench.failures], [undefined, []]);
  await bench.clock.advance(1);
  assertEquals([bench.cut, bench.failures], [1, ["ping ManagerClosedError"]]);
});

Deno.test("ClusterRouter is closed as soon as the last command's deadline has passed", async () => {
  const bench = new RouterBench();
  bench.submit("ping", 100);
  bench.submit("time", 200);
  await bench.close();
  await bench.clock.advance(199);
  assertEquals([bench.cut, bench.failures], [undefined, ["ping CommandTimeoutError"]]);
  await bench.clock.advance(1);
  assertEquals(bench.cut, 0);
  assertEquals(bench.failures.at(-1), "time CommandTimeoutError");
});

Deno.test("ClusterRouter is closed as soon as the last command was given up by its caller", async () => {
  const bench = new RouterBench();
  const command = bench.submit("ping", 60_000);
  await bench.close();
  settleFailed(command, new Error("aborted"));
  bench.router.commandFinished();
  await bench.clock.advance(0);
  assertEquals(bench.cut, 0);
});
