/**
 * A primary with one replica, for tests of WAIT.
 *
 * @module
 */
import { RedisServer } from "../../src/testing/redis_server.ts";
import { waitFor } from "../../src/testing/wait.ts";

/** A primary and its replica; both end with it. */
export interface Replicated extends AsyncDisposable {
  readonly primary: RedisServer;
  readonly replica: RedisServer;
}

/** Waits until the replica has told the primary that it has all there is. */
export async function acknowledged(
  { primary }: Pick<Replicated, "primary">,
): Promise<void> {
  await waitFor(async () => {
    const { master_repl_offset, slave0 } = await primary.info("replication");
    return slave0?.includes(`offset=${master_repl_offset},`);
  }, { timeoutMs: 30_000, what: "the replica's word" });
}

/** Starts both, and waits until the replica follows. */
export async function startReplicated(): Promise<Replicated> {
  await using stack = new AsyncDisposableStack();
  const primary = stack.use(
    await RedisServer.start({ config: { "repl-diskless-sync-delay": "0" } }),
  );
  const replica = stack.use(await RedisServer.start());
  await replica.cli("REPLICAOF", primary.host, primary.port);
  await waitFor(
    async () => (await replica.info("replication")).master_link_status === "up",
    { timeoutMs: 30_000, what: "the replica's link" },
  );
  const all = stack.move();
  return { primary, replica, [Symbol.asyncDispose]: () => all.disposeAsync() };
}
