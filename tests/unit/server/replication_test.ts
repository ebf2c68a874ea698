import { assertEquals } from "@std/assert";
import { readReplication, ReplicationLag } from "../../../src/server/replication.ts";

const REPLICA = [
  "# Server",
  "redis_version:9.0.0",
  "availability_zone:eu-1a",
  "# Replication",
  "role:slave",
  "master_link_status:up",
  "slave_repl_offset:1234",
  "master_repl_offset:1240",
  "",
].join("\r\n");

Deno.test("readReplication() reads a replica and a primary, as text or bytes", () => {
  const replica = {
    ...{ role: "replica", offset: 1234, isLinked: true, followers: "", zone: "eu-1a" },
  };
  assertEquals(readReplication(REPLICA), replica as ReturnType<typeof readReplication>);
  assertEquals(
    readReplication(new TextEncoder().encode(REPLICA)),
    replica as ReturnType<typeof readReplication>,
  );
  const down = REPLICA.replace("status:up", "status:down").replace("eu-1a", "");
  assertEquals(readReplication(down)?.isLinked, false);
  assertEquals(readReplication(down)?.zone, undefined);
  const primary = readReplication([
    "role:master",
    "connected_slaves:2",
    "slave0:ip=10.0.0.7,port=6379,state=online,offset=90,lag=0",
    "slave1:ip=10.0.0.8,port=6379,state=online,offset=80,lag=1",
    "master_repl_offset:100",
  ].join("\r\n"));
  assertEquals(primary, {
    role: "primary",
    offset: 100,
    isLinked: false,
    // Without what changes all the time.
    followers: "slave0:ip=10.0.0.7,port=6379,slave1:ip=10.0.0.8,port=6379",
    zone: undefined,
  });
});

Deno.test("readReplication() does not guess", () => {
  for (const reply of ["", "OK", null, undefined, 7, "role:sentinel", "x_role:slave"]) {
    assertEquals(readReplication(reply), undefined);
  }
});

Deno.test("ReplicationLag tells how long a replica has lacked what the primary had written", () => {
  const lag = new ReplicationLag();
  assertEquals(lag.of(0, 0), 0);
  lag.note(1000, 100);
  lag.note(2000, 200);
  // Nothing was written: a replica that has it all is not behind, however old that is.
  lag.note(3000, 200);
  assertEquals(lag.of(9000, 200), 0);
  assertEquals(lag.of(9000, 250), 0);
  assertEquals(lag.of(3500, 199), 1500);
  assertEquals(lag.of(3500, 100), 1500);
  assertEquals(lag.of(3500, 99), 2500);
});

Deno.test("ReplicationLag begins anew with another primary, whose count is smaller", () => {
  const lag = new ReplicationLag();
  lag.note(1000, 1_000_000);
  lag.note(2000, 10);
  assertEquals(lag.of(5000, 10), 0);
  assertEquals(lag.of(5000, 9), 3000);
  lag.reset();
  assertEquals(lag.of(5000, 0), 0);
});

Deno.test("ReplicationLag keeps a minute", () => {
  const lag = new ReplicationLag();
  for (let second = 0; second < 600; second++) lag.note(second * 1000, second + 1);
  assertEquals(lag.of(600_000, 0), 60_000);
});
