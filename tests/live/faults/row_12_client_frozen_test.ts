import { assert, assertEquals } from "@std/assert";
import { delay, waitFor } from "../../support/clients.ts";
import { RedisServer } from "../../support/redis_server.ts";
import { Child } from "./_child.ts";
import { report } from "./_report.ts";
import { IS_FULL } from "./_stage.ts";

const FROZEN_MS = IS_FULL ? 20_000 : 2500;
const DEADLINE_MS = 1000;

Deno.test("row 12: a client that was frozen while the server restarted is served at once", async () => {
  await using server = await RedisServer.start({ persistence: "aof" });
  await using child = await Child.start("_client_child.ts", [
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

Deno.test("rows 12, 45: replies that came while the client was frozen win over its deadlines", async () => {
  await using server = await RedisServer.start();
  await using child = await Child.start("_client_child.ts", [
    String(server.port),
    String(DEADLINE_MS),
  ]);
  assertEquals(await child.hear(), "ready");
  // The server is slow, so that the client is frozen with all replies outstanding.
  server.pause();
  await child.say("burst 100");
  await delay(300);
  child.freeze();
  server.resume();
  await waitFor(async () => await server.cli("GET", "n") === "100");
  await delay(2000);
  child.thaw();
  const outcomes: string[] = JSON.parse(await child.hear());
  assertEquals(outcomes.filter((each) => !each.startsWith("ok ")), []);
  await report({
    row: 45,
    fault: "client frozen 2 s with replies in the socket",
    outcome: "0 false timeouts in 100",
  });
});
