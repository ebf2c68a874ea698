import { assert, assertEquals } from "@std/assert";
import type { Credentials } from "../../../mod.ts";
import { delay } from "../../../src/testing/wait.ts";
import { onStage, type Stage } from "./_stage.ts";

/** Lifetime of a token, in milliseconds: short, but not so short that a pause matters. */
const LIFETIME_MS = 4000;

/** What a token service and a server that takes its tokens have in common. */
class Tokens {
  asked = 0;
  /** What the server is told is right; `undefined` while it is told nothing. */
  server: Stage["server"] | undefined;
  /** Whether the server takes what is issued. */
  valid = true;

  readonly issue = async (): Promise<Credentials> => {
    const password = `s3cret-${++this.asked}`;
    if (this.valid) {
      await this.server!.cli("ACL", "SETUSER", "app", "resetpass", `>${password}`);
    }
    return { username: "app", password, expiresAt: Date.now() + LIFETIME_MS };
  };
}

/** Runs a test with a user whose only password is the last that was issued. */
async function withTokens(
  row: (stage: Stage & { tokens: Tokens; told: () => string }) => Promise<void>,
): Promise<void> {
  const tokens = new Tokens();
  await onStage({ manager: { password: tokens.issue } }, async (stage) => {
    tokens.server = stage.server;
    await stage.server.cli("ACL", "SETUSER", "app", "on", "~*", "&*", "+@all");
    const events: unknown[] = [];
    for (const type of ["warning", "connection", "statechange"] as const) {
      stage.manager.addEventListener(type, ({ detail }) => events.push(detail));
    }
    const told = () => JSON.stringify(events);
    await row({ ...stage, tokens, told });
    assert(!told().includes("s3cret"), told());
  });
}

async function clientIds({ server }: Stage): Promise<string[]> {
  const rows = await server.clientList();
  return rows.filter(({ name }) => name?.startsWith("mooring:"))
    .map(({ id }) => String(id)).sort();
}

/** AUTHs that the server has taken since its statistics were reset. */
async function authCalls({ server }: Stage): Promise<number> {
  const info = String(await server.cli("INFO", "commandstats"));
  return Number(/cmdstat_auth:calls=(\d+)/.exec(info)?.[1] ?? 0);
}

/** Waits until a condition holds; fails after a lifetime. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + LIFETIME_MS * 2;
  while (!await holds()) {
    assert(performance.now() < end, "it did not come to hold in time");
    await delay(20);
  }
}

Deno.test("open connections outlive their credentials, with one question for all", () =>
  withTokens(async (stage) => {
    const { manager, tokens } = stage;
    const client = manager.getClient("main");
    await client.set("n", 0);
    const heard: unknown[] = [];
    await using _subscription = await manager.subscribe(
      "main",
      { channels: ["news"] },
      (message) => void heard.push(message),
    );
    {
      await using lease = await manager.acquire("main");
      await lease.client.ping();
    }
    const before = await clientIds(stage);
    assertEquals([before.length, tokens.asked], [3, 3]);
    await stage.server.cli("CONFIG", "RESETSTAT");
    await until(() => tokens.asked === 4);
    await delay(LIFETIME_MS / 2);
    assertEquals([tokens.asked, await authCalls(stage)], [4, 3]);
    assertEquals(await client.incr("n"), 1);
    await client.publish("news", "still here");
    await until(() => heard.length === 1);
    assertEquals(await clientIds(stage), before);
    assertEquals(stage.told().includes("could not"), false, stage.told());
  }));

Deno.test("a transaction on a lease gets no AUTH in between", () =>
  withTokens(async ({ manager, server, tokens }) => {
    await using lease = await manager.acquire("main");
    const { client } = lease;
    await client.call("MULTI");
    await client.call("SET", "k", "v");
    await delay(LIFETIME_MS * 0.85);
    assertEquals(tokens.asked, 1);
    assertEquals(await client.call("EXEC"), ["OK"]);
    await until(() => tokens.asked === 2);
    await until(async () => {
      const rows = await server.clientList();
      return rows.some(({ name, cmd }) =>
        name === "mooring:main:lease" && cmd === "auth"
      );
    });
    assertEquals(await client.get("k"), "v");
  }));

Deno.test("a lease on which its holder is somebody else is left alone", () =>
  withTokens(async (stage) => {
    const { manager, server, tokens } = stage;
    await server.cli("ACL", "SETUSER", "own", "on", ">own", "~*", "+@all");
    await using lease = await manager.acquire("main");
    await lease.client.auth("own", "own");
    await server.cli("CONFIG", "RESETSTAT");
    await delay(LIFETIME_MS);
    assertEquals([tokens.asked, await authCalls(stage)], [1, 0]);
    assertEquals(await lease.client.call("ACL", "WHOAMI"), "own");
  }));

Deno.test("a connection that refuses its new credentials is replaced", () =>
  withTokens(async (stage) => {
    const { manager, tokens } = stage;
    const client = manager.getClient("main");
    await client.set("n", 0);
    const [before] = await clientIds(stage);
    tokens.valid = false;
    await until(async () => !(await clientIds(stage)).includes(before!));
    // Once more where there is time for it.
    assert(tokens.asked === 2 || tokens.asked === 3, String(tokens.asked));
    assert(stage.told().includes("expire: WRONGPASS"), stage.told());
    tokens.valid = true;
    const { asked } = tokens;
    assertEquals(await client.incr("n"), 1);
    assertEquals(tokens.asked, asked + 1);
  }));

Deno.test("a leased connection that refuses its new credentials is its holder's, and nobody's after him", () =>
  withTokens(async (stage) => {
    const { manager, tokens } = stage;
    const lease = await manager.acquire("main");
    const [before] = await clientIds(stage);
    tokens.valid = false;
    await until(() => stage.told().includes("expire: WRONGPASS"));
    await delay(LIFETIME_MS / 2);
    assertEquals(await lease.client.ping(), "PONG");
    assertEquals(await clientIds(stage), [before]);
    tokens.valid = true;
    lease.release();
    await using next = await manager.acquire("main");
    assertEquals(await next.client.ping(), "PONG");
    assertEquals((await clientIds(stage)).includes(before!), false);
  }));

Deno.test("a manager that is closing asks for no more credentials, though a lease is still held", () =>
  withTokens(async ({ manager, tokens }) => {
    const lease = await manager.acquire("main");
    const closing = manager.closeAll({ drainMs: 10 * LIFETIME_MS });
    await delay(LIFETIME_MS * 1.25);
    assertEquals(await lease.client.ping(), "PONG");
    assertEquals(tokens.asked, 1);
    lease.release();
    assertEquals(await closing, { cutCommands: 0 });
  }));
