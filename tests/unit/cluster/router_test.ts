import { assertEquals } from "@std/assert";
import { ClusterRouter, MAX_REDIRECTS } from "../../../src/cluster/router.ts";
import { SlotMapCache } from "../../../src/cluster/slot_map_cache.ts";
import { keySlot } from "../../../src/cluster/slots.ts";
import { RedisConfigLoader } from "../../../src/config/mod.ts";
import type { Connection } from "../../../src/connection/connection.ts";
import { Command, LibraryReplyError } from "../../../src/connection/ioredis.ts";
import {
  type PendingCommand,
  settleFailed,
  track,
} from "../../../src/connection/pending_command.ts";
import { DatabaseStatistics } from "../../../src/observability/statistics.ts";
import type { Server } from "../../../src/server/server.ts";
import { drainMicrotasks, FakeClock } from "../../../src/testing/fake_clock.ts";

function routerContext(clock: FakeClock) {
  const config = RedisConfigLoader.fromOptions({ databases: { main: {} } })
    .databases.main!;
  const statistics = new DatabaseStatistics("main", clock);
  return { config, statistics, emit: () => {}, clock };
}

const DRAIN_MS = 5000;

/** A router of a cluster that never answers. */
class RouterBench {
  readonly clock = new FakeClock();
  readonly cache: SlotMapCache;
  readonly router: ClusterRouter;
  readonly failures: string[] = [];
  /** How many commands its closing cut; `undefined` before it is over. */
  cut: number | undefined;

  constructor() {
    const { clock } = this;
    const cache = this.cache = new SlotMapCache({
      load: () => new Promise(() => {}),
      changed: () => {},
      failed: () => {},
      clock,
    });
    this.router = new ClusterRouter(routerContext(clock), {
      cache,
      nodeAt: () => {
        throw new Error("no node is known");
      },
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
    // The cache outlives the router.
    void closing.then(() => this.cache.close(new Error("over")));
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

/** More than the arguments that one call takes. */
const MANY = 200_000;

Deno.test("ClusterRouter.submitBatch() sends a batch to its node together, however large it is", async () => {
  const clock = new FakeClock();
  const sent: PendingCommand[] = [];
  const node = {
    submitBatch: (commands: readonly PendingCommand[]) => {
      for (const command of commands) sent.push(command);
    },
  } as unknown as Server;
  const cache = new SlotMapCache({
    load: () => {
      const range = { first: 0, last: 16_383, node: { host: "a", port: 1 } };
      return Promise.resolve([range]);
    },
    changed: () => {},
    failed: () => {},
    clock,
  });
  await cache.ready();
  const router = new ClusterRouter(routerContext(clock), { cache, nodeAt: () => node });
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
  cache.close(new Error("over"));
});

Deno.test("ClusterRouter.follow() follows a redirect within its deadline, and a limited number of times", async () => {
  const bench = new RouterBench();
  const { clock, router } = bench;
  const slot = keySlot("k");
  const moved = (slot: number) => new LibraryReplyError(`MOVED ${slot} h:7000`);
  const redirected = (timeoutMs = 1000, ...args: string[]) => {
    const owner = { replied: () => {}, failed: () => {} };
    const command = track(new Command("get", args), owner, timeoutMs);
    command.tracking.startedAt = clock.now();
    command.tracking.connection = { endpoint: "a:1" } as Connection;
    return command;
  };
  const follows = (command: PendingCommand, error: Error) =>
    router.follow(command, error) !== undefined;

  const command = redirected(1000, "k");
  assertEquals(router.follow(command, moved(slot)), {
    kind: "moved",
    slot,
    node: { host: "h", port: 7000 },
  });
  for (let n = 1; n < MAX_REDIRECTS; n++) {
    assertEquals(follows(command, moved(slot)), true, `${n}`);
  }
  assertEquals(follows(command, moved(slot)), false);

  // A command without a key may be in any slot; another slot was made up by a script.
  assertEquals(follows(redirected(), moved(7)), true);
  assertEquals(follows(redirected(1000, "k"), moved(slot + 1)), false);
  assertEquals(follows(redirected(1000, "k"), new Error(`MOVED ${slot} h:7000`)), false);
  const late = redirected(100, "k");
  await clock.advance(100);
  assertEquals(follows(late, moved(slot)), false);
  bench.cache.close(new Error("over"));
});
