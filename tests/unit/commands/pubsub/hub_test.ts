import { assertEquals, assertRejects } from "@std/assert";
import { ReplyError } from "ioredis";
import {
  type SubscriberLease,
  SubscriptionHub,
} from "../../../../src/commands/pubsub/hub.ts";
import { FakeClock } from "../../../../src/testing/fake_clock.ts";

const decode = (message: Uint8Array) => message;

const CONFIG = {
  name: "main",
  keyPrefix: "",
  acquireTimeoutMs: 400,
  commandTimeoutMs: 600,
  healthCheckIntervalMs: 0,
};

/** A hub whose server refuses every channel; told of each refusal as it happens. */
function refusingHub(refused: () => void) {
  const asked: string[] = [];
  const lease = {
    connection: { redis: { on: () => {} }, onEnd: () => {} },
    send: ({ name, args }: { name: string; args: unknown[] }) => {
      asked.push(`${name} ${args[0]}`);
      const { promise, reject } = Promise.withResolvers<unknown>();
      queueMicrotask(() => {
        reject(new ReplyError("NOPERM this user has no permissions"));
        if (name === "subscribe") refused();
      });
      return promise;
    },
    destroy: () => {},
  } as unknown as SubscriberLease;
  const hub = new SubscriptionHub({
    config: CONFIG,
    acquire: () => Promise.resolve(lease),
    emit: () => {},
    clock: new FakeClock(),
  });
  return { asked, hub };
}

for (let turns = 0; turns <= 20; turns++) {
  Deno.test(`SubscriptionHub asks anew for what was refused ${turns} turns ago`, async () => {
    let second: Promise<unknown> | undefined;
    const { hub } = refusingHub(async () => {
      if (second !== undefined) return;
      const { promise, resolve } = Promise.withResolvers<unknown>();
      second = promise;
      for (let i = 0; i < turns; i++) await null;
      resolve(hub.subscribe(["c"], () => {}, {}, decode));
    });
    await assertRejects(
      () => hub.subscribe(["c"], () => {}, {}, decode),
      Error,
      "NOPERM",
    );
    let outcome = "none";
    void second!.then(() => outcome = "subscribed", (error) => outcome = error.message);
    for (let i = 0; i < 200; i++) await null;
    assertEquals(outcome, "NOPERM this user has no permissions");
    hub.close();
  });
}

Deno.test("SubscriptionHub.subscribe() waits no longer than its limit, however often the connection is lost", async () => {
  const clock = new FakeClock();
  let opened = 0;
  const hub = new SubscriptionHub({
    config: CONFIG,
    acquire: () => {
      opened++;
      let ended = () => {};
      const connection = {
        redis: { on: () => {} },
        onEnd: (fn: () => void) => ended = fn,
      };
      const send = () => {
        // Each is lost before it confirms anything.
        clock.setTimer(() => ended(), 300);
        return new Promise(() => {});
      };
      return Promise.resolve(
        { connection, send, destroy: () => {} } as unknown as SubscriberLease,
      );
    },
    emit: () => {},
    clock,
  });
  let outcome: { timeoutMs?: number; delivery?: string } = {};
  void hub.subscribe(["c"], () => {}, {}, decode).catch((error) => outcome = error);
  await clock.advance(999);
  assertEquals([outcome, opened], [{}, 4]);
  await clock.advance(1);
  assertEquals([outcome.timeoutMs, outcome.delivery], [1000, "ambiguous"]);
  hub.close();
});

Deno.test("SubscriptionHub notices that a shard channel was ended in the chunk that confirmed it", async () => {
  const left = new Set<string>();
  let moved = () => {};
  const redis = {
    on: (event: string, fn: () => void) => event === "moved" && (moved = fn),
    condition: { subscriber: { channels: () => [...left] } },
  };
  let isMoving = true;
  const asked: string[] = [];
  const lease = {
    connection: { redis, onEnd: () => {} },
    send: ({ name, args: [channel] }: { name: string; args: string[] }) => {
      asked.push(`${name} ${channel}`);
      left.add(channel!);
      const confirmed = Promise.resolve(1);
      // Before those who wait for the confirmation hear of it.
      if (isMoving) {
        left.delete(channel!);
        moved();
      }
      return confirmed;
    },
    destroy: () => {},
  } as unknown as SubscriberLease;
  const ended: string[] = [];
  const hub: SubscriptionHub = new SubscriptionHub({
    config: CONFIG,
    acquire: () => Promise.resolve(lease),
    emit: () => {},
    clock: new FakeClock(),
    moved: (channels) => {
      for (const channel of channels) {
        ended.push(channel.wire);
        isMoving = false;
        hub.again(channel);
      }
    },
  });
  await hub.subscribe({ shards: ["s"] }, () => {}, {}, decode);
  assertEquals(ended, ["s"]);
  assertEquals(asked, ["ssubscribe s", "ssubscribe s"]);
  hub.close();
});
