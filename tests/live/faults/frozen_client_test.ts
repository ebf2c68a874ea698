// Runs alone: it freezes its own process.
import { assert, assertEquals } from "@std/assert";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { delay, waitFor } from "../../support/clients.ts";
import { Child } from "./_child.ts";
import { plainOutcome } from "./_plain.ts";
import { report } from "./_report.ts";
import { IS_FULL } from "./_stage.ts";

const FROZEN_MS = IS_FULL ? 20_000 : 2500;
/** Of a client that has to connect again, on a machine that may be busy. */
const DEADLINE_MS = 10_000;
/** Of commands that are outstanding while the client is frozen. */
const FROZEN_DEADLINE_MS = 1000;
const LONG = { timeoutMs: 20_000 };

Deno.test("a client that was frozen while the server restarted is served at once", async () => {
  await using server = await RedisServer.start({ persistence: "aof" });
  await using child = Child.start("_client_child.ts", [
    String(server.port),
    String(DEADLINE_MS),
  ]);
  assertEquals(await child.hear(), "ready");
  await child.say("one incr");
  assert((await child.hear()).startsWith('"ok '));
  child.freeze();
  await server.restart();
  await delay(FROZEN_MS);
  child.thaw();
  const thawedAt = performance.now();
  await child.say("one incr");
  const first: string = JSON.parse(await child.hear());
  const recoveredMs = performance.now() - thawedAt;
  assert(first.startsWith("ok "), first);
  assertEquals(await server.cli("GET", "n"), "2");
  await child.say("stats");
  const { failedOperations } = JSON.parse(await child.hear());
  assertEquals(failedOperations, 0);
  await report({
    row: 12,
    fault: `client frozen ${FROZEN_MS / 1000} s, server restarted`,
    outcome: "first command served",
    recoveredMs,
  });
});

/** How often it is frozen, and with how many replies outstanding: 100 altogether. */
const FREEZES = IS_FULL ? 20 : 2;
const COMMANDS = 100 / FREEZES;

Deno.test(`frozen ${FREEZES} times for 2 s with replies in its socket, none of 100 commands times out`, async () => {
  await using server = await RedisServer.start();
  await using child = Child.start("_client_child.ts", [
    String(server.port),
    String(FROZEN_DEADLINE_MS),
  ]);
  assertEquals(await child.hear(), "ready");
  for (let done = 0; done < 100; done += COMMANDS) {
    // A connection that was silent for a second would be asked for a sign of life first.
    await child.say("one get");
    await child.hear();
    // The server is slow, so that the client is frozen with all replies outstanding.
    server.pause();
    await child.say(`burst ${COMMANDS}`);
    assertEquals(await child.hear(), "sent");
    child.freeze();
    server.resume();
    const expected = String(done + COMMANDS);
    await waitFor(async () => await server.cli("GET", "n") === expected, LONG);
    await delay(2000);
    child.thaw();
    const outcomes: string[] = JSON.parse(await child.hear());
    assertEquals(outcomes.filter((each) => !each.startsWith("ok ")), []);
    // Each was frozen for longer than its deadline.
    for (const each of outcomes) {
      assert(Number(each.split(" ")[1]) > FROZEN_DEADLINE_MS, each);
    }
  }
  const plain = await plainOutcome(server.port, async (redis) => {
    await redis.ping();
    const script = `kill -STOP ${Deno.pid}; kill -CONT ${server.pid}; sleep 2; ` +
      `kill -CONT ${Deno.pid}`;
    server.pause();
    const replies = Promise.allSettled(
      Array.from({ length: 10 }, () => redis.incr("plain")),
    );
    await delay(20);
    await new Deno.Command("sh", { args: ["-c", script] }).output();
    const late = (await replies).filter(({ status }) => status === "rejected");
    return `${late.length} of 10 timed out`;
  }, { commandTimeout: FROZEN_DEADLINE_MS });
  await report({
    ...plain,
    row: 45,
    fault: `client frozen 2 s with replies in the socket, ${FREEZES} times`,
    outcome: "0 false timeouts in 100",
  });
});
