/**
 * A holder of a lock that can be frozen. Line by line it answers: `take`: the fencing token.
 * `write TOKEN`: what the guarded storage says, and whether the lock says that it is held.
 */
import { type Lock, RedisConnectionManager } from "../../../mod.ts";
import { GUARDED } from "./_guarded.ts";

const [port, ttlMs] = Deno.args.map(Number) as [number, number];
const manager = new RedisConnectionManager({
  host: "127.0.0.1",
  port,
  databases: { main: { db: 0 } },
});
const client = manager.getClient("main");
let lock: Lock | undefined;

async function answer(line: string): Promise<unknown> {
  const [verb, value] = line.split(" ");
  if (verb === "take") {
    lock = await manager.lock("main", "job", { ttlMs });
    return lock.fencingToken;
  }
  const { held } = lock!;
  const stored = await client.eval(
    GUARDED,
    2,
    "storage:fence",
    "storage:log",
    lock!.fencingToken,
    value!,
  );
  return { held, aborted: lock!.signal.aborted, stored };
}

console.log("ready");
let rest = "";
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split("\n");
  rest = lines.pop()!;
  for (const line of lines) console.log(JSON.stringify(await answer(line)));
}
