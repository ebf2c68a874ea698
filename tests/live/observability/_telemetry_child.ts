/**
 * A program that knows nothing of this package's telemetry: it uses a manager within a span
 * of its own, and ends when its standard input does.
 */
import { trace } from "@opentelemetry/api";
import { RedisConnectionManager } from "../../../mod.ts";

const [port = "", how = "{}"] = Deno.args;
await using manager = new RedisConnectionManager({
  host: "127.0.0.1",
  port: Number(port),
  databases: { main: { db: 2, maxConnections: 3, minConnections: 1 } },
  ...JSON.parse(how),
});

await trace.getTracer("program").startActiveSpan("request", async (span) => {
  const main = manager.getClient("main");
  await main.set("s3cret-key", "s3cret-value");
  await main.get("s3cret-key");
  await main.lpush("s3cret-key", "s3cret-value").catch(() => {});
  await main.call("NOSUCH", "s3cret-value").catch(() => {});
  await manager.pipeline("main", (p) => {
    p.set("a", 1);
    p.incr("a");
  });
  await main.pipeline().incr("a").incr("a").exec();
  await manager.transaction("main", async (tx, watched) => {
    await watched.strlen("a");
    tx.incr("a");
    tx.incr("a");
  }, { watch: ["a"] });
  await main.blpop("empty", 0.01);
  span.end();
});
await using lease = await manager.acquire("main");
await lease.client.ping();
await manager.acquire("main").then((second) => second.release());
for await (const _ of Deno.stdin.readable);
