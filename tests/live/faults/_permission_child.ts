/** Says what works, or why not, with the permissions that it has. */
import { type ManagerOptions, RedisConnectionManager } from "../../../mod.ts";

const options: ManagerOptions = JSON.parse(Deno.args[0]!);
await using manager = new RedisConnectionManager({
  ...options,
  databases: { main: { db: 0 } },
});
try {
  const reply = await manager.getClient("main").ping();
  const [lane] = manager.getPoolStatistics("main").connections;
  console.log(reply, lane!.keepalive, JSON.stringify(lane!.kernelKeepalive));
} catch (error) {
  console.log(`${(error as Error).name}: ${(error as Error).message}`);
}
