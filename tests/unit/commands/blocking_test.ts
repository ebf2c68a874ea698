import { Buffer } from "node:buffer";
import { assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { ReplyError } from "ioredis";
import { ConnectionLostError, ManagerClosedError } from "../../../mod.ts";
import {
  BlockingCommands,
  type BlockingOptions,
} from "../../../src/commands/blocking.ts";
import { Command } from "../../../src/connection/driver.ts";
import {
  settleFailed,
  track,
  type TrackedCommand,
} from "../../../src/connection/tracked.ts";

const OTHER = {
  replied: () => {
    throw new Error("the dispatcher must not judge it any more");
  },
  failed: () => {
    throw new Error("the dispatcher must not judge it any more");
  },
};

/** Runs BLPOPs on leases that only note what is done to them. */
function stage(options: Partial<BlockingOptions> = {}) {
  const log: string[] = [];
  const told: Error[] = [];
  let leases = 0;
  const blocking = new BlockingCommands({
    database: "main",
    timeoutOf: () => 5000,
    acquire: () => {
      const id = ++leases;
      return Promise.resolve({
        clientId: id,
        send: () => void log.push(`send ${id}`),
        release: () => void log.push(`release ${id}`),
        destroy: () => void log.push(`destroy ${id}`),
      });
    },
    unblock: (id) => {
      log.push(`unblock ${id}`);
      return Promise.resolve(true);
    },
    judge: () => ({ retry: false, delayMs: 0, reresolve: false }),
    replied: () => void log.push("replied"),
    told: (_command, error) => void told.push(error),
    reresolve: (reason) => void log.push(`reresolve: ${reason}`),
    ...options,
  });
  return { blocking, log, told };
}

async function run(blocking: BlockingCommands): Promise<TrackedCommand> {
  const command = track(new Command("blpop", ["q", "0"]), OTHER, 1000);
  blocking.run(command);
  for (let i = 0; i < 4; i++) await Promise.resolve();
  return command;
}

const LOST = new ConnectionLostError("main", "blpop", "ambiguous", "reset");

Deno.test("BlockingCommands.run() gives a command its own timeout and a lease, and gives that back", async () => {
  const { blocking, log } = stage();
  const command = await run(blocking);
  assertEquals([command.tracking.timeoutMs, blocking.size], [5000, 1]);
  command.resolve(null);
  assertEquals(log, ["send 1", "release 1", "replied"]);
  assertEquals([await command.promise, blocking.size], [null, 0]);
});

Deno.test("BlockingCommands.failed() releases after an error reply, destroys after anything else", async () => {
  const { blocking, log, told } = stage();
  const wrong = new ReplyError("WRONGTYPE no list");
  blocking.failed(await run(blocking), wrong, "rejected");
  blocking.failed(await run(blocking), LOST, "ambiguous");
  assertEquals(log, ["send 1", "release 1", "send 2", "destroy 2"]);
  assertEquals(told, [wrong, LOST]);
});

Deno.test("BlockingCommands.failed() tries again on another lease where that is judged right", async () => {
  let retries = 0;
  const { blocking, log, told } = stage({
    judge: () => ({ retry: ++retries === 1, delayMs: 0, reresolve: true }),
  });
  const command = await run(blocking);
  blocking.failed(command, LOST, "never-sent");
  assertEquals([log.at(-1), blocking.size], ["reresolve: " + LOST.message, 0]);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals([log.at(-1), command.tracking.waited], ["send 2", true]);
  blocking.failed(command, LOST, "ambiguous");
  assertEquals(told, [LOST]);
});

Deno.test("BlockingCommands.run() tells what kept it from a lease", async () => {
  const error = new Error("none is free");
  const { blocking, told } = stage({ acquire: () => Promise.reject(error) });
  await run(blocking);
  assertEquals([told, blocking.size], [[error], 0]);
});

Deno.test("BlockingCommands.run() gives a lease back that the command must not be sent on", async () => {
  const error = new Error("not on this one");
  const log: string[] = [];
  const { blocking, told } = stage({
    acquire: () =>
      Promise.resolve({
        clientId: undefined,
        prepare: (command: TrackedCommand) => {
          log.push(`prepare ${command.name}`);
          return Promise.reject(error);
        },
        send: () => void log.push("send"),
        release: () => void log.push("release"),
        destroy: () => void log.push("destroy"),
      }),
  });
  await run(blocking);
  for (let i = 0; i < 4; i++) await Promise.resolve();
  assertEquals([log, told, blocking.size], [["prepare blpop", "release"], [error], 0]);
});

Deno.test("BlockingCommands.close() unblocks what waits, and tells that the manager is closed", async () => {
  const { blocking, log, told } = stage();
  const command = await run(blocking);
  await blocking.close(1000);
  assertEquals(log, ["send 1", "unblock 1"]);
  const unblocked = new ReplyError("UNBLOCKED client unblocked via CLIENT UNBLOCK");
  blocking.failed(command, unblocked, "rejected");
  assertInstanceOf(told[0], ManagerClosedError);
  assertEquals(log.at(-1), "release 1");
  await run(blocking);
  assertInstanceOf(told[1], ManagerClosedError);
  assertEquals(log.at(-1), "release 1");
});

Deno.test("BlockingCommands.close() destroys where the server cannot be asked, and says ambiguous", async () => {
  for (
    const [withinMs, options] of [
      [1000, { unblock: () => Promise.resolve(false) }],
      [0, {}],
    ] as const
  ) {
    const { blocking, log } = stage(options);
    await run(blocking);
    await blocking.close(withinMs);
    assertEquals(log, ["send 1", "destroy 1"]);
  }
});

Deno.test("BlockingCommands.cancel() tells the reply that came all the same", async () => {
  const { blocking, log } = stage();
  const command = await run(blocking);
  const cancelled = blocking.cancel(command, new Error("enough"), 1000);
  command.resolve([Buffer.from("q"), Buffer.from("v")] as unknown as Buffer);
  await cancelled;
  assertEquals(log, ["send 1", "unblock 1", "release 1", "replied"]);
  assertStrictEquals((await command.promise as unknown[]).length, 2);
});

Deno.test("BlockingCommands.run() leaves no consumer of a caller who gave up", async () => {
  const { blocking, log, told } = stage();
  const command = await run(blocking);
  settleFailed(command, new Error("aborted"));
  await command.promise.catch(() => {});
  for (let i = 0; i < 4; i++) await Promise.resolve();
  assertEquals([log, blocking.size], [["send 1", "destroy 1"], 0]);
  const early = track(new Command("blpop", ["q", "0"]), OTHER, 1000);
  early.promise.catch(() => {});
  blocking.run(early);
  settleFailed(early, new Error("aborted"));
  for (let i = 0; i < 4; i++) await Promise.resolve();
  assertEquals([log.at(-1), told], ["release 2", []]);
});
