/** Does what the README says for SIGTERM, with commands in flight that nobody answers. */
import { RedisConnectionManager } from "../../../mod.ts";

const manager = new RedisConnectionManager({
  host: "127.0.0.1",
  port: Number(Deno.args[0]),
  commandTimeoutMs: 60_000,
  databases: { main: { db: 0 } },
});
Deno.addSignalListener("SIGTERM", async () => {
  const { cutCommands } = await manager.closeAll({ drainMs: 500 });
  console.log(`closed, ${cutCommands} commands cut`);
  Deno.exit();
});
const client = await manager.main();
console.log("ready");
for await (const _ of Deno.stdin.readable) {
  const told = Array.from({ length: 10 }, () => client.incr("n"));
  console.log("sent");
  const results = await Promise.allSettled(told);
  const deliveries = results.map((each) =>
    each.status === "rejected" ? each.reason.delivery : "done"
  );
  console.log([...new Set(deliveries)].join());
}
