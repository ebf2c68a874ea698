/**
 * Prints how long it takes from the start of this program to the manager's first reply.
 *
 * @module
 */
import { RedisConnectionManager } from "../../mod.ts";

const url = Deno.args[0]!;
await using manager = new RedisConnectionManager({ url, databases: { main: {} } });
await manager.getClient("main").get("mooring:bench:100");
console.log(JSON.stringify({ firstReplyMs: performance.now() }));
