/** Sends a large pipeline, and says what memory it took; alone, so that it is its own. */
import { Buffer } from "node:buffer";
import { RedisConnectionManager } from "../../../mod.ts";

declare const gc: () => void;

const COUNT = 128;
const SIZE = 1024 * 1024;

/** A line of what the kernel knows of this process, in bytes. */
function memory(line: "VmHWM" | "VmRSS"): number {
  const status = Deno.readTextFileSync("/proc/self/status");
  return Number(new RegExp(`${line}:\\s+(\\d+)`).exec(status)![1]) * 1024;
}

await using manager = new RedisConnectionManager({
  port: Number(Deno.args[0]),
  commandTimeoutMs: 60_000,
  databases: { main: { db: 0, decodeResponses: false } },
});
await manager.getClient("main").ping();
gc();
const before = memory("VmRSS");
// Garbage does not count: what is let go is taken away at once.
const collecting = setInterval(() => gc(), 5);
const replies = await manager.pipeline("main", (p) => {
  for (let i = 0; i < COUNT; i++) p.echo(Buffer.alloc(SIZE, i));
});
clearInterval(collecting);
const whole = replies.every((reply, i) => {
  const bytes = reply as Uint8Array;
  return bytes.byteLength === SIZE && bytes[0] === i && bytes[SIZE - 1] === i;
});
console.log(JSON.stringify({ whole, cost: memory("VmHWM") - before, all: COUNT * SIZE }));
