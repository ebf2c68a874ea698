/** Uses a manager, on a server that comes and goes, without a logger. */
import { RedisConnectionManager } from "../../../mod.ts";

const [port = ""] = Deno.args;
await using manager = new RedisConnectionManager({
  port: Number(port),
  connectRetry: { attempts: 2, minMs: 1, maxMs: 1 },
  databases: { main: { db: 0 }, gone: { db: 0, port: 1 } },
});
await manager.getClient("main").ping();
await manager.getClient("gone").ping().catch(() => {});
await manager.getClient("main").call("NOSUCHCOMMAND").catch(() => {});
