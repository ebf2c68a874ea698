/** Two servers of socket.io that tell each other through Redis, and a client of each. */

import { assertEquals } from "@std/assert";
import { Server } from "npm:socket.io@^4.8.4";
import { io, type Socket } from "npm:socket.io-client@^4.8.4";
import { waitFor } from "../../../../src/testing/wait.ts";
import type { Library, Stage } from "./_program.ts";

type Adapter = NonNullable<Parameters<Server["adapter"]>[0]>;

async function listen(adapter: Adapter): Promise<{ server: Server; port: number }> {
  const server = new Server({ adapter, transports: ["websocket"] });
  server.listen(0);
  const address = await waitFor(() => server.httpServer.address(), { what: "a port" });
  if (typeof address === "string") throw new Error(`Listening at ${address}`);
  return { server, port: address.port };
}

async function connect(port: number): Promise<Socket> {
  const socket = io(`http://127.0.0.1:${port}`, { transports: ["websocket"] });
  await waitFor(() => socket.connected, { what: "a client of socket.io" });
  return socket;
}

/** Each task is a message to all that one server sends, and the other's client receives. */
export async function socketIO(
  makeAdapter: () => Adapter,
  ledger: Stage["ledger"],
): Promise<Library> {
  const [one, two] = [await listen(makeAdapter()), await listen(makeAdapter())];
  const sockets = [await connect(one.port), await connect(two.port)];
  sockets[1]!.on("task", (id: string) => ledger.done(id));
  return {
    work(id) {
      one.server.emit("task", id);
      return Promise.resolve();
    },
    async finish() {
      // A question to the other server, which answers through Redis.
      assertEquals((await one.server.fetchSockets()).length, 2);
      assertEquals((await two.server.fetchSockets()).length, 2);
    },
    async close() {
      for (const socket of sockets) socket.close();
      await Promise.all([one.server.close(), two.server.close()]);
    },
  };
}
