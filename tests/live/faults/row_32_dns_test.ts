import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { ConnectError, RedisConnectionManager } from "../../../mod.ts";
import { Opener, type OpenerOptions } from "../../../src/connection/opener.ts";
import { systemClock } from "../../../src/core/clock.ts";
import type { Endpoint } from "../../../src/transport/channel.ts";
import { openNodeChannel } from "../../../src/transport/node_channel.ts";
import { assertNoConnectionsLeft } from "../../support/clients.ts";
import { RedisServer } from "../../support/redis_server.ts";
import { report } from "./_report.ts";
import { QUICK_RETRY, timed } from "./_stage.ts";

function openerWith(resolve: OpenerOptions["resolve"]): Opener {
  return new Opener({
    database: "main",
    db: 0,
    keyPrefix: "",
    connectTimeoutMs: 1000,
    loadingTimeoutMs: 1000,
    silenceLimitMs: 1000,
    heartbeatMs: 0,
    retry: QUICK_RETRY,
    resolve,
    openChannel: openNodeChannel,
    mayRetry: () => true,
    attemptFailed: () => {},
    attemptRepeated: () => {},
    loading: () => {},
    observer: { answered: () => {}, troubled: () => {} },
    clock: systemClock,
  });
}

Deno.test("row 32: where to connect is asked for each connection, and again after a failure", async () => {
  await using first = await RedisServer.start();
  await using second = await RedisServer.start();
  const signal = new AbortController().signal;
  let asked = 0;
  let failing = 2;
  let server = first;
  const opener = openerWith(() => {
    asked++;
    if (failing-- > 0) return Promise.reject(new Error("name not known"));
    const endpoint: Endpoint = { kind: "tcp", host: server.host, port: server.port };
    return Promise.resolve(endpoint);
  });
  const one = await opener.open("lane", signal);
  assertEquals(asked, 3, "two failures, then it is known");
  server = second;
  const other = await opener.open("lane", signal);
  assertEquals(
    [one.endpoint, other.endpoint],
    [first, second].map(({ host, port }) => `${host}:${port}`),
  );
  for (const connection of [one, other]) connection.close({ kind: "closed", text: "" });
  await assertNoConnectionsLeft(first, "mooring:");
  await assertNoConnectionsLeft(second, "mooring:");
});

Deno.test("row 32: a name that is not known is tried again, and named in the error", async () => {
  await using manager = new RedisConnectionManager({
    host: "no-such-host.invalid",
    commandTimeoutMs: 10_000,
    connectRetry: { ...QUICK_RETRY, attempts: 3 },
    databases: { main: { db: 0 } },
  });
  const { ms, error } = await timed(manager.getClient("main").ping());
  assertInstanceOf(error, ConnectError);
  assertEquals(error.attempts, 3);
  assert(error.message.includes("no-such-host.invalid"), error.message);
  await report({
    row: 32,
    fault: "DNS fails, changes",
    outcome: "asked again for each attempt",
    noticedMs: ms,
  });
});
