import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { ConnectionLostError } from "../../../mod.ts";
import { withManager } from "../../support/managed.ts";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { waitFor } from "../../../src/testing/wait.ts";

const CUT = { toClient: { kind: "cut", afterBytes: 0, how: "reset" } } as const;

Deno.test("a write that was cut fails as ioredis words it, and says that it may have run", () =>
  withManager({ databases: {} }, async ({ manager, server }) => {
    await using relay = await FaultProxy.start({ to: server });
    manager.addDatabase("relayed", { port: relay.port });
    const client = manager.createClient("relayed");
    await client.set("n", 1);
    relay.set(CUT);
    const error = await assertRejects(() => client.incr("n"), ConnectionLostError);
    relay.heal();
    assertEquals([error.message, error.delivery], ["Connection is closed.", "ambiguous"]);
    assertInstanceOf(error.cause, Error);
    assertEquals(
      /Cannot finish INCR on database "relayed"/.test(error.cause.message),
      true,
    );
    assertEquals(await client.get("n"), "2");
  }));

Deno.test("a write that was cut, and that nobody waits for, is no unhandled rejection", () =>
  withManager({ databases: {} }, async ({ manager, server }) => {
    await using relay = await FaultProxy.start({ to: server });
    manager.addDatabase("relayed", { port: relay.port });
    const client = manager.createClient("relayed");
    await client.ping();
    const unhandled: unknown[] = [];
    const note = (event: PromiseRejectionEvent) => {
      event.preventDefault();
      unhandled.push(event.reason);
    };
    addEventListener("unhandledrejection", note);
    try {
      relay.set(CUT);
      client.publish("news", "ahoy");
      await waitFor(() => relay.connections.length === 0, { what: "the loss" });
      relay.heal();
      await client.ping();
    } finally {
      removeEventListener("unhandledrejection", note);
    }
    assertEquals(unhandled, []);
  }));

Deno.test("with autoResendUnfulfilledCommands what was cut is sent again, as ioredis does", () =>
  withManager({ databases: {} }, async ({ manager, server }) => {
    await using relay = await FaultProxy.start({ to: server });
    manager.addDatabase("relayed", { port: relay.port });
    const options = { autoResendUnfulfilledCommands: true };
    const client = manager.createClient("relayed", options);
    const pinned = manager.createClient("relayed", { ...options, db: 1 });
    const blocked = client.brpoplpush("from", "to", 0);
    await waitFor(async () => (await server.info("clients")).blocked_clients === "1");

    /** Sends what increments a key; its reply is lost, and it is sent once more. */
    const lose = async (key: string, send: () => Promise<unknown>) => {
      await send();
      relay.set(CUT);
      const reply = send();
      reply.catch(() => {}); // Told below.
      await server.cli("SELECT", key === "pinned" ? "1" : "0");
      await waitFor(async () => await server.cli("GET", key) === "2", { what: key });
      relay.heal();
      relay.reset();
      return await reply;
    };
    assertEquals(await lose("n", () => client.incr("n")), 3);
    assertEquals(await lose("m", () => client.multi().incr("m").exec()), [[null, 3]]);
    assertEquals(await lose("pinned", () => pinned.incr("pinned")), 3);
    await server.cli("SELECT", "0");
    await server.cli("LPUSH", "from", "a");
    assertEquals(await blocked, "a");
  }));
