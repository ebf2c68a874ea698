/** Says what works, or why not, with the permissions that it has. */
import { RedisConnectionManager } from "../../../mod.ts";

await using manager = new RedisConnectionManager({
  host: "127.0.0.1",
  port: Number(Deno.args[0]),
  databases: { main: { db: 0 } },
});
try {
  console.log(await manager.getClient("main").ping());
} catch (error) {
  console.log(`${(error as Error).name}: ${(error as Error).message}`);
}
