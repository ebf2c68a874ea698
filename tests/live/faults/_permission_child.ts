/** Says what works, or why not, with the permissions that it has; with a second argument what
 * it sees of that variable, and of the whole environment. */
import process from "node:process";
import { type ManagerOptions, RedisConnectionManager } from "../../../mod.ts";

const options: ManagerOptions = JSON.parse(Deno.args[0]!);
const variable = Deno.args[1];
if (variable !== undefined) {
  let listed = "a list";
  try {
    Object.keys(process.env);
  } catch (error) {
    listed = (error as Error).name;
  }
  console.log(`environment: ${process.env[variable]}, ${listed}`);
}
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
