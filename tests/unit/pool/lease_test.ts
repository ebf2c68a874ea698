import { assert, assertEquals, assertThrows } from "@std/assert";
import { LeaseReleasedError } from "../../../src/core/errors/mod.ts";
import { Lease } from "../../../src/pool/lease.ts";
import { setUp } from "./setup.ts";

Deno.test("Lease.release() throws when it is called again, whatever came before", async () => {
  const { pool } = setUp();
  for (const verb of ["release", "destroy"] as const) {
    const lease = await pool.acquire();
    lease[verb]();
    assert(lease.released);
    assertThrows(() => lease.release(), LeaseReleasedError, "Cannot release");
    assertThrows(() => lease.destroy(), LeaseReleasedError, "Cannot destroy");
  }
  assertEquals(pool.statistics().evictions.discarded, 1);
  assertEquals(pool.numbers().total, 0);
});

Deno.test("Lease.connection throws after the release", async () => {
  const { pool, driver } = setUp();
  const lease = await pool.acquire();
  assertEquals(lease.connection, [...driver.live][0]);
  lease.release();
  assertThrows(() => lease.connection, LeaseReleasedError, 'pool "test"');
});

Deno.test("Lease.release() throws although another caller has the connection now", async () => {
  const { pool } = setUp();
  const first = await pool.acquire();
  const { connection } = first;
  first.release();
  const second = await pool.acquire();
  assertEquals(second.connection, connection);
  assertThrows(() => first.release(), LeaseReleasedError);
  assertEquals(second.connection, connection);
  assertEquals(pool.numbers().leased, 1);
});

Deno.test("Lease.release() of something that is no lease is a TypeError", async () => {
  const { pool } = setUp();
  const lease = await pool.acquire();
  assertThrows(() => Lease.prototype.release.call({} as typeof lease), TypeError);
  assertEquals(pool.numbers().leased, 1);
});

Deno.test("Lease can be released once after its connection has ended", async () => {
  const { pool, driver } = setUp();
  const lease = await pool.acquire();
  const { connection } = lease;
  driver.kill(connection);
  assertEquals(pool.numbers().total, 0);
  assertEquals(lease.connection, connection);
  lease.release();
  assertThrows(() => lease.release(), LeaseReleasedError);
  assertEquals(driver.destroyed, []);
  assertEquals(pool.statistics().evictions.ended, 1);
});
