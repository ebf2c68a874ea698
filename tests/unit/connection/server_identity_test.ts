import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  readIdentity,
  type ServerIdentity,
  whyUnknown,
} from "../../../src/connection/server_identity.ts";

const INFO = `# Server\r
run_id:run-a\r
uptime_in_seconds:10\r
server_time_usec:5000000\r
# Replication\r
master_replid:history-a\r
master_replid2:0000\r
# Persistence\r
aof_enabled:1\r
aof_last_write_status:ok\r
# Memory\r
maxmemory:0\r
maxmemory_policy:allkeys-lru\r
`;

function identity(fields: Record<string, string> = {}, fsync = "always", now = 100_000) {
  let info = INFO;
  for (const [name, value] of Object.entries(fields)) {
    info = info.replace(new RegExp(`^${name}:.*$`, "m"), `${name}:${value}\r`);
  }
  return readIdentity(info, `appendfsync,${fsync}`, now)!;
}

Deno.test("a server says which it is", () => {
  assertEquals(identity(), {
    runId: "run-a",
    replicationId: "history-a",
    earlierReplicationId: "0000",
    startedAt: 90_000,
    keepsAllWrites: true,
    eviction: undefined,
    epochMs: 5000 - 100_000,
  });
  assertEquals(identity({ maxmemory: "100" }).eviction, "allkeys-lru");
  assertEquals(
    identity({ maxmemory: "100", maxmemory_policy: "noeviction" }).eviction,
    undefined,
  );
  for (const unsure of [identity({ aof_enabled: "0" }), identity({}, "everysec")]) {
    assertEquals(unsure.keepsAllWrites, false);
  }
  assertEquals(identity({ aof_last_write_status: "err" }).keepsAllWrites, false);
  assertEquals(readIdentity("", "", 0), undefined);
});

const NOT_KEPT = { aof_enabled: "0" };

/** What is sent to the server `a` at 95,000 ms, when it had run for 5 s. */
const CASES: readonly [string, ServerIdentity | undefined, string | undefined][] = [
  ["the same server", identity(NOT_KEPT), undefined],
  ["a server that does not say", undefined, "did not say which it is"],
  [
    "one that may evict",
    identity({ maxmemory: "1", maxmemory_policy: "volatile-ttl" }),
    "maxmemory-policy volatile-ttl",
  ],
  [
    "the same process with other data",
    identity({ master_replid: "history-b" }),
    "taken over the data of another",
  ],
  [
    "its replica, which took over",
    identity({
      run_id: "run-b",
      master_replid: "history-b",
      master_replid2: "history-a",
      ...NOT_KEPT,
    }),
    undefined,
  ],
  [
    "another server",
    identity({ run_id: "run-b", master_replid: "history-b", ...NOT_KEPT }),
    "do not continue",
  ],
  [
    "one that was started since, of a snapshot of the same history",
    identity({
      run_id: "run-b",
      master_replid: "history-b",
      master_replid2: "history-a",
      uptime_in_seconds: "3",
      ...NOT_KEPT,
    }),
    "started anew",
  ],
  [
    "one that was started since and had fsynced each write",
    identity({ run_id: "run-b", master_replid: "history-b", uptime_in_seconds: "3" }),
    undefined,
  ],
];

for (const [name, present, expected] of CASES) {
  const verb = expected === undefined ? "may run" : "may not run";
  Deno.test(`${name} ${verb} what the first one may have run`, () => {
    const why = whyUnknown(identity(), present, 95_000);
    if (expected === undefined) assertEquals(why, undefined);
    else {
      assert(why !== undefined);
      assertStringIncludes(why, expected);
    }
  });
}

Deno.test("of a server that had not said which it is nothing is known", () => {
  assertStringIncludes(whyUnknown(undefined, identity(), 0)!, "it was sent to");
});
