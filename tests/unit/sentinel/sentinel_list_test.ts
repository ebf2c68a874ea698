import { assertEquals } from "@std/assert";
import { SentinelList } from "../../../src/sentinel/sentinel_list.ts";
import { describeSentinel } from "../../../src/sentinel/sentinel_list.ts";

const at = (port: number) => ({ host: "10.0.0.1", port });
const ports = (list: SentinelList) => list.inOrder().map(({ port }) => port);

Deno.test("SentinelList lists the configured sentinels in their order, each once", () => {
  assertEquals(ports(new SentinelList([at(3), at(1), at(3), at(2)])), [3, 1, 2]);
});

Deno.test("SentinelList puts the sentinel that answered last first", () => {
  const list = new SentinelList([at(1), at(2), at(3)]);
  list.prefer(at(2));
  assertEquals(ports(list), [2, 1, 3]);
  list.prefer(at(3));
  assertEquals(ports(list), [3, 1, 2]);
});

Deno.test("SentinelList puts a sentinel that was wrong last, until it has answered again", () => {
  const list = new SentinelList([at(1), at(2), at(3)]);
  list.prefer(at(1));
  list.demotePreferred();
  assertEquals(ports(list), [2, 3, 1]);
  list.prefer(at(1));
  assertEquals(ports(list), [1, 2, 3]);
});

Deno.test("SentinelList demotes one sentinel, however many connections found out that it was wrong", () => {
  const list = new SentinelList([at(1), at(2)]);
  list.prefer(at(1));
  // A lane and a lease were told of the same server.
  list.demotePreferred();
  list.demotePreferred();
  assertEquals(ports(list), [2, 1]);
  list.prefer(at(2));
  list.demotePreferred();
  assertEquals(ports(list), [1, 2]);
});

Deno.test("SentinelList gets to a sentinel that is right, however many before it are wrong", () => {
  const list = new SentinelList([at(1), at(2), at(3), at(4)]);
  for (const wrong of [1, 2, 3]) {
    assertEquals(ports(list)[0], wrong);
    list.prefer(at(wrong));
    list.demotePreferred();
  }
  assertEquals(ports(list), [4, 1, 2, 3]);
  list.prefer(at(4));
  assertEquals(ports(list), [4, 1, 2, 3]);
  list.prefer(at(2));
  assertEquals(ports(list), [2, 4, 1, 3]);
});

Deno.test("SentinelList learns sentinels, also the one that listed them, and replaces them with a newer list", () => {
  const list = new SentinelList([at(1)]);
  list.learn(at(1), [at(2), at(3)]);
  assertEquals(ports(list), [1, 2, 3]);
  list.prefer(at(3));
  list.learn(at(3), [at(4)]);
  assertEquals(ports(list), [3, 1, 4]);
});

Deno.test("SentinelList never removes configured sentinels, whatever it learns", () => {
  const list = new SentinelList([at(1), at(2)]);
  list.learn(at(9), []);
  assertEquals(ports(list), [1, 2, 9]);
  list.learn(at(1), []);
  assertEquals(ports(list), [1, 2]);
});

Deno.test("SentinelList remembers a bounded number of learned sentinels", () => {
  const list = new SentinelList([at(1)]);
  list.learn(at(1), Array.from({ length: 1000 }, (_, i) => at(i + 2)));
  assertEquals(list.inOrder().length, 64);
});

Deno.test("describeSentinel() puts brackets around IPv6", () => {
  assertEquals(describeSentinel({ host: "::1", port: 26379 }), "[::1]:26379");
});
