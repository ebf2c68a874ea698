/**
 * Opens a channel in a process with few permissions and prints what keepalive it got:
 * `keepalive_child.ts <node|deno> <port>`. It ends when its input does.
 *
 * @module
 */
import { openDenoChannel } from "../../../src/transport/deno_channel.ts";
import { openNodeChannel } from "../../../src/transport/node_channel.ts";
import { readSocketOptions } from "./socket_options.ts";

const [kind, port] = Deno.args;
const open = kind === "deno" ? openDenoChannel : openNodeChannel;
const channel = await open(
  { host: "127.0.0.1", port: Number(port) },
  {
    keepalive: { idleMs: 600_000, intervalMs: 60_000, count: 5 },
    signal: new AbortController().signal,
  },
);
channel.start({ data: () => {}, close: () => {} });
const mayAsk = Deno.permissions.querySync({ name: "ffi" }).state === "granted";
const { keepalive: tier, kernelKeepalive: told, localPort } = channel;
const kernel = mayAsk ? readSocketOptions(localPort) : undefined;
console.log(JSON.stringify({ tier, told, localPort, kernel }));
await Deno.stdin.read(new Uint8Array(1));
channel.destroy();
