import { Buffer } from "node:buffer";
import { assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { ReplyError } from "ioredis";
import {
  CommandAbortedError,
  CommandTimeoutError,
  ConnectionLostError,
  ManagerClosedError,
} from "../../../mod.ts";
import {
  BlockingCommands,
  type BlockingOptions,
} from "../../../src/commands/blocking.ts";
import { Command } from "../../../src/connection/ioredis.ts";
import {
  type PendingCommand,
  settleFailed,
  track,
} from "../../../src/connection/pending_command.ts";
import { drainMicrotasks, FakeClock } from "../../../src/testing/fake_clock.ts";

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
  const errors: Error[] = [];
  const clock = new FakeClock();
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
    decide: () => ({ retry: false, delayMs: 0, reresolve: false }),
    replied: () => void log.push("replied"),
    failed: (command, error) => {
      errors.push(error);
      settleFailed(command, error);
    },
    clock,
    reresolve: (reason) => void log.push(`reresolve: ${reason}`),
    ...options,
  });
  return { blocking, clock, log, errors };
}

async function run(blocking: BlockingCommands): Promise<PendingCommand> {
  const command = track(new Command("blpop", ["q", "0"]), OTHER, 1000);
  command.promise.catch(() => {});
  blocking.run(command);
  await drainMicrotasks();
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
  const { blocking, log, errors } = stage();
  const wrong = new ReplyError("WRONGTYPE no list");
  blocking.failed(await run(blocking), wrong, "rejected");
  blocking.failed(await run(blocking), LOST, "ambiguous");
  assertEquals(log, ["send 1", "release 1", "send 2", "destroy 2"]);
  assertEquals(errors, [wrong, LOST]);
});

Deno.test("BlockingCommands.failed() retries on another lease where the policy says so", async () => {
  let retries = 0;
  const { blocking, log, errors } = stage({
    decide: () => ({ retry: ++retries === 1, delayMs: 0, reresolve: true }),
  });
  const command = await run(blocking);
  blocking.failed(command, LOST, "never-sent");
  assertEquals([log.at(-1), blocking.size], ["reresolve: " + LOST.message, 1]);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals([log.at(-1), command.tracking.waited], ["send 2", true]);
  blocking.failed(command, LOST, "ambiguous");
  assertEquals(errors, [LOST]);
});

Deno.test("BlockingCommands.run() rejects with what kept it from a lease", async () => {
  const error = new Error("none is free");
  const { blocking, errors } = stage({ acquire: () => Promise.reject(error) });
  await run(blocking);
  assertEquals([errors, blocking.size], [[error], 0]);
});

Deno.test("BlockingCommands.run() gives a lease back that the command must not be sent on", async () => {
  const error = new Error("not on this one");
  const log: string[] = [];
  const { blocking, errors } = stage({
    acquire: () =>
      Promise.resolve({
        clientId: undefined,
        prepare: (command: PendingCommand) => {
          log.push(`prepare ${command.name}`);
          return Promise.reject(error);
        },
        send: () => void log.push("send"),
        release: () => void log.push("release"),
        destroy: () => void log.push("destroy"),
      }),
  });
  await run(blocking);
  assertEquals([log, errors, blocking.size], [["prepare blpop", "release"], [error], 0]);
});

const UNBLOCKED = new ReplyError("UNBLOCKED client unblocked via CLIENT UNBLOCK");

Deno.test("BlockingCommands.close() unblocks what waits, and rejects as the manager is closed", async () => {
  const { blocking, log, errors } = stage();
  const command = await run(blocking);
  const closed = blocking.close(1000);
  await drainMicrotasks();
  assertEquals(log, ["send 1", "unblock 1"]);
  blocking.failed(command, UNBLOCKED, "rejected");
  await closed;
  assertInstanceOf(errors[0], ManagerClosedError);
  assertEquals(log.at(-1), "release 1");
  await run(blocking);
  assertInstanceOf(errors[1], ManagerClosedError);
  assertEquals(log.at(-1), "release 1");
});

Deno.test("BlockingCommands.close() destroys where the server cannot be asked, and says ambiguous", async () => {
  for (
    const [withinMs, options] of [
      [1000, { unblock: () => Promise.resolve(undefined) }],
      [0, {}],
    ] as const
  ) {
    const { blocking, log, errors } = stage(options);
    const command = await run(blocking);
    await blocking.close(withinMs);
    assertEquals(log, ["send 1", "destroy 1"]);
    blocking.failed(command, LOST, "ambiguous");
    assertEquals(errors, [LOST]);
  }
});

Deno.test("BlockingCommands.abort() resolves with a reply that came nevertheless, and holds the lease until UNBLOCK is answered", async () => {
  const answer = Promise.withResolvers<boolean>();
  const { blocking, log } = stage({ unblock: () => answer.promise });
  const command = await run(blocking);
  assertEquals(blocking.abort(command, new Error("enough")), true);
  command.resolve([Buffer.from("q"), Buffer.from("v")] as unknown as Buffer);
  assertStrictEquals((await command.promise as unknown[]).length, 2);
  // Its next command would be the one that is unblocked.
  assertEquals(log, ["send 1", "replied"]);
  answer.resolve(false);
  await drainMicrotasks();
  assertEquals(log, ["send 1", "replied", "release 1"]);
});

Deno.test("BlockingCommands.abort() rejects with the reason where nothing was taken, and repeats UNBLOCK until the server has seen the command", async () => {
  let asked = 0;
  const { blocking, clock, log, errors } = stage({
    unblock: () => Promise.resolve(++asked === 3),
  });
  const command = await run(blocking);
  const reason = new Error("enough");
  blocking.abort(command, reason);
  await clock.advance(100);
  assertEquals([asked, errors], [3, []]);
  blocking.failed(command, UNBLOCKED, "rejected");
  await drainMicrotasks();
  assertEquals([errors, log], [[reason], ["send 1", "release 1"]]);
});

Deno.test("BlockingCommands.abort() is ambiguous where the server does not answer in a second", async () => {
  const { blocking, clock, log, errors } = stage();
  const command = await run(blocking);
  const reason = new Error("enough");
  blocking.abort(command, reason);
  await clock.advance(999);
  assertEquals(log.at(-1), "unblock 1");
  await clock.advance(1);
  assertEquals(log.at(-1), "destroy 1");
  blocking.failed(command, LOST, "ambiguous");
  assertInstanceOf(errors[0], CommandAbortedError);
  assertEquals(errors[0].cause, reason);
  assertEquals([blocking.size, clock.pending], [0, 0]);
});

Deno.test("BlockingCommands.abort() of one that waits for a lease rejects at once, and ends the wait", async () => {
  let waiting: AbortSignal | undefined;
  const { blocking, log, errors } = stage({
    acquire: (_command, signal) => {
      waiting = signal;
      return new Promise(() => {});
    },
  });
  const command = await run(blocking);
  const reason = new Error("enough");
  assertEquals(blocking.abort(command, reason), true);
  assertEquals([errors, waiting!.aborted, log, blocking.size], [[reason], true, [], 0]);
  assertEquals(blocking.abort(command, reason), false);
});

Deno.test("BlockingCommands.run() keeps its caller's deadline from the call on, and asks the server then", async () => {
  for (const [isHeld, expected] of [[true, "rejected"], [false, "never-sent"]] as const) {
    const { blocking, clock, errors } = stage(
      isHeld ? {} : { acquire: () => new Promise(() => {}) },
    );
    const command = track(new Command("blpop", ["q", "0"]), OTHER, 1000);
    command.promise.catch(() => {});
    Object.assign(command, { call: { timeoutMs: 200 } });
    blocking.run(command);
    await clock.advance(199);
    assertEquals(errors, []);
    await clock.advance(1);
    if (isHeld) blocking.failed(command, UNBLOCKED, "rejected");
    assertInstanceOf(errors[0], CommandTimeoutError);
    assertEquals([errors[0].delivery, errors[0].timeoutMs], [expected, 200]);
    await clock.advance(100);
    assertEquals(clock.pending, 0);
  }
});

Deno.test("BlockingCommands.run() is ambiguous where no answer comes within 100 ms of its caller's deadline", async () => {
  const { blocking, clock, log, errors } = stage();
  const command = track(new Command("blpop", ["q", "0"]), OTHER, 1000);
  command.promise.catch(() => {});
  Object.assign(command, { call: { timeoutMs: 200 } });
  blocking.run(command);
  await clock.advance(250);
  // Giving it up then does not lengthen its life.
  blocking.abort(command, new Error("enough"));
  await clock.advance(50);
  assertEquals(log.at(-1), "destroy 1");
  blocking.failed(command, LOST, "ambiguous");
  assertEquals((errors[0] as CommandTimeoutError).delivery, "ambiguous");
});

Deno.test("BlockingCommands.failed() keeps in mind that an attempt before may have taken something", async () => {
  const { blocking } = stage({
    decide: () => ({ retry: true, delayMs: 0, reresolve: false }),
  });
  const command = await run(blocking);
  blocking.failed(command, LOST, "ambiguous");
  blocking.abort(command, new Error("enough"));
  assertStrictEquals(await command.promise.catch((error) => error), LOST);
});

Deno.test("BlockingCommands.run() leaves no consumer of a command that is settled elsewhere", async () => {
  const { blocking, log, errors } = stage();
  const command = await run(blocking);
  settleFailed(command, new Error("aborted"));
  await drainMicrotasks();
  assertEquals([log, errors, blocking.size], [["send 1", "destroy 1"], [], 0]);
  const early = track(new Command("blpop", ["q", "0"]), OTHER, 1000);
  early.promise.catch(() => {});
  settleFailed(early, new Error("aborted"));
  blocking.run(early);
  await drainMicrotasks();
  assertEquals([log.at(-1), errors, blocking.size], ["release 2", [], 0]);
});
