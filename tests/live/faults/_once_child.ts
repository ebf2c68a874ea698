/**
 * A client that appends tokens once each, as many as its arguments say, and then says which
 * were acknowledged and which were ambiguous.
 */
import { RedisConnectionManager, type RedisManagerError } from "../../../mod.ts";

const [port, count] = Deno.args.map(Number) as [number, number];
await using manager = new RedisConnectionManager({
  host: "127.0.0.1",
  port,
  databases: { main: { db: 0 } },
});
const client = manager.getClient("main").with({ once: true });
const told: Record<string, string[]> = { acknowledged: [], ambiguous: [], other: [] };
let next = 0;

async function write(): Promise<void> {
  while (next < count) {
    const token = `t${next++}`;
    const outcome = await client.rpush("log", token).then(
      () => "acknowledged",
      ({ delivery }: RedisManagerError) => delivery === "ambiguous" ? delivery : "other",
    );
    told[outcome]!.push(token);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

await Promise.all(Array.from({ length: 5 }, write));
console.log(JSON.stringify(told));
