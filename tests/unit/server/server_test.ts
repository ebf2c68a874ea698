import { assert, assertEquals } from "@std/assert";
import { RedisConfigLoader } from "../../../src/config/mod.ts";
import { Command } from "../../../src/connection/ioredis.ts";
import {
  makeAsking,
  settleFailed,
  track,
} from "../../../src/connection/pending_command.ts";
import { DatabaseStatistics } from "../../../src/observability/statistics.ts";
import { RetryBudget } from "../../../src/resilience/retry.ts";
import { Server } from "../../../src/server/server.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";

const COOLDOWN_MS = 1000;

/** A node of a cluster that cannot be connected to. */
function makeNode() {
  const clock = new FakeClock();
  const config = RedisConfigLoader.fromOptions({
    circuitBreakerThreshold: 1,
    circuitBreakerTimeoutMs: COOLDOWN_MS,
    databases: { main: {} },
  }).databases.main!;
  const errors: string[] = [];
  const owner = {
    replied: () => {},
    failed: (command: Parameters<typeof settleFailed>[0], error: Error) => {
      errors.push(`${command.name} ${error.name}`);
      settleFailed(command, error);
    },
  };
  const node = new Server({
    config,
    statistics: new DatabaseStatistics("main", clock),
    budget: new RetryBudget({ clock, ...config.retryBudget }),
    limit: undefined,
    leaseOwner: owner,
    timeoutOf: () => 1000,
    opened: () => {},
    telemetry: undefined,
    emit: () => {},
    openChannel: (_, { signal }) =>
      new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason))
      ),
    clock,
  }, { address: { host: "a", port: 1 }, troubled: () => {} });
  const command = (name: string) => {
    const made = track(new Command(name), owner, 1000);
    made.promise.catch(() => {});
    return made;
  };
  return { clock, command, errors, node };
}

Deno.test("Server.submitBatch() makes the command the probe, and not the ASKING before it", async () => {
  const { clock, command, errors, node } = makeNode();
  node.gate.recordFailure("silent");
  node.submitBatch([makeAsking(1000), command("get")]);
  assertEquals(errors, ["get CircuitOpenError"]);
  await clock.advance(COOLDOWN_MS);
  const get = command("get");
  const asking = makeAsking(1000);
  node.submitBatch([asking, get]);
  assertEquals([asking.tracking.probe, node.gate.state], [undefined, "half_open"]);
  assert(get.tracking.probe !== undefined);
  get.tracking.probe.succeed();
  assertEquals(node.gate.state, "closed");
  const closing = node.close(0);
  await clock.advance(0);
  await closing;
});
