import {
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { Channels } from "../../../../src/commands/pubsub/channels.ts";
import {
  Subscription,
  type SubscriptionParts,
} from "../../../../src/commands/pubsub/subscription.ts";
import { listTargets } from "../../../../src/commands/pubsub/types.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function make(parts: Partial<SubscriptionParts<string>> = {}) {
  const told = { left: 0, gaps: [] as unknown[], errors: [] as unknown[] };
  const subscription = new Subscription<string>({
    database: "main",
    handler: undefined,
    options: {},
    decode: (message) => new TextDecoder().decode(message),
    leave: () => {
      told.left++;
      return Promise.resolve();
    },
    dropped: (gap) => told.gaps.push(gap.lost),
    handlerFailed: (error) => told.errors.push(error),
    ...parts,
  });
  return { subscription, told };
}

Deno.test("Subscription.deliver() serves those who wait, in the order of their calls", async () => {
  const { subscription } = make();
  const iterator = subscription[Symbol.asyncIterator]();
  const waiting = [iterator.next(), iterator.next()];
  for (const text of ["1", "2", "3"]) subscription.deliver(bytes(text), "c");
  waiting.push(iterator.next());
  const items = await Promise.all(waiting);
  assertEquals(items.map(({ value }) => value?.kind === "message" && value.message), [
    "1",
    "2",
    "3",
  ]);
});

Deno.test("Subscription.unsubscribe() ends everybody who waits, and leaves once", async () => {
  const { subscription, told } = make();
  const iterator = subscription[Symbol.asyncIterator]();
  const waiting = [iterator.next(), iterator.next()];
  await subscription.unsubscribe();
  await subscription.unsubscribe();
  subscription.deliver(bytes("late"), "c");
  assertEquals((await Promise.all(waiting)).map(({ done }) => done), [true, true]);
  assertEquals([told.left, await subscription.closed, subscription.queued], [
    1,
    undefined,
    0,
  ]);
});

Deno.test("Subscription.fail() throws its error once, to the first who waits or comes", async () => {
  for (const isWaiting of [true, false]) {
    const { subscription, told } = make();
    const iterator = subscription[Symbol.asyncIterator]();
    const early = isWaiting ? iterator.next() : undefined;
    subscription.fail(new Error("lost"));
    await assertRejects(() => early ?? iterator.next(), Error, "lost");
    assertEquals(await iterator.next(), { done: true, value: undefined });
    assertEquals([told.left, (await subscription.closed)?.message], [1, "lost"]);
  }
});

Deno.test("Subscription.close() lets an iterator give what waits", async () => {
  const { subscription } = make();
  for (const text of ["1", "2"]) subscription.deliver(bytes(text), "c");
  subscription.close();
  subscription.deliver(bytes("late"), "c");
  assertEquals(subscription.isClosed, true);
  const heard: unknown[] = [];
  for await (const item of subscription) {
    heard.push(item.kind === "message" && item.message);
  }
  assertEquals([heard, subscription.dropped], [["1", "2"], 0]);
});

Deno.test("Subscription counts what waits as dropped when it is unsubscribed, fails, or its handler is called no more", async () => {
  for (const isFailed of [false, true]) {
    const { subscription } = make();
    for (const text of ["1", "2"]) subscription.deliver(bytes(text), "c");
    if (isFailed) subscription.fail(new Error("too slow"));
    else await subscription.unsubscribe();
    assertEquals([subscription.dropped, subscription.queued], [2, 0]);
  }
  const { promise, resolve } = Promise.withResolvers<void>();
  const heard: string[] = [];
  const { subscription: handled } = make({
    handler: (message) => {
      heard.push(message);
      return promise;
    },
  });
  for (const text of ["1", "2", "3"]) handled.deliver(bytes(text), "c");
  handled.close();
  resolve();
  await promise;
  await null;
  assertEquals([heard, handled.dropped, handled.queued], [["1"], 2, 0]);
});

Deno.test("Subscription hands messages to a handler at once, gaps to onGap, in order", () => {
  const heard: unknown[] = [];
  const { subscription } = make({
    handler: (message) => void heard.push(message),
    options: { onGap: ({ reason }) => void heard.push(reason) },
  });
  subscription.deliver(bytes("1"), "c");
  subscription.deliverGap({ kind: "gap", reason: "reconnected", downMs: 1 });
  subscription.deliver(bytes("2"), "c");
  assertEquals(heard, ["1", "reconnected", "2"]);
  assertThrows(() => subscription[Symbol.asyncIterator](), TypeError);
});

Deno.test("Subscription goes on after what a handler throws, and stops where it unsubscribes", () => {
  const heard: string[] = [];
  const { subscription, told } = make({
    handler: (message) => {
      heard.push(message);
      if (message === "1") throw new Error("no");
      if (message === "2") void subscription.unsubscribe();
    },
  });
  for (const text of ["1", "2", "3"]) subscription.deliver(bytes(text), "c");
  assertEquals([heard, told.errors.length], [["1", "2"], 1]);
});

Deno.test("listTargets() lists each target once, and refuses none at all", () => {
  assertEquals(listTargets(["a", "a"]), [{ kind: "subscribe", name: "a" }]);
  assertEquals(
    listTargets({ channels: ["a"], patterns: ["a"], shards: ["a"] }).map((t) => t.kind),
    ["subscribe", "psubscribe", "ssubscribe"],
  );
  assertThrows(() => listTargets({ patterns: [] }), TypeError);
});

Deno.test("Channels counts the subscribers of each channel; the last one to leave ends it", () => {
  const channels = new Channels("p:");
  const [one, two] = [make().subscription, make().subscription] as Subscription<
    unknown
  >[];
  const a = { kind: "subscribe", name: "a" } as const;
  const s = { kind: "ssubscribe", name: "s" } as const;
  const channel = channels.add(a, one!);
  assertStrictEquals(channels.add(a, two!), channel);
  assertEquals(channels.add(s, two!).wire, "p:s");
  assertEquals([channels.size, channels.subscriptions.length], [2, 2]);
  assertEquals(channels.find("subscribe", "a")?.subscriptions.size, 2);
  assertEquals(channels.find("psubscribe", "a"), undefined);
  assertEquals(channels.remove(one!), []);
  assertEquals(channels.remove(two!).map(({ wire }) => wire), ["a", "p:s"]);
  assertEquals([channels.size, channels.remove(two!)], [0, []]);
});
