import { assertEquals } from "@std/assert";
import { formatAddress } from "../../../src/core/address.ts";
import { SentinelRoster } from "../../../src/topology/sentinel_roster.ts";

const at = (port: number) => ({ host: "10.0.0.1", port });
const ports = (roster: SentinelRoster) => roster.inTurn().map(({ port }) => port);

Deno.test("SentinelRoster asks the configured sentinels in their order, each once", () => {
  assertEquals(ports(new SentinelRoster([at(3), at(1), at(3), at(2)])), [3, 1, 2]);
});

Deno.test("SentinelRoster asks who answered last first", () => {
  const roster = new SentinelRoster([at(1), at(2), at(3)]);
  roster.answered(at(2));
  assertEquals(ports(roster), [2, 1, 3]);
  roster.answered(at(3));
  assertEquals(ports(roster), [3, 1, 2]);
});

Deno.test("SentinelRoster asks who was wrong last, until it has answered again", () => {
  const roster = new SentinelRoster([at(1), at(2), at(3)]);
  roster.answered(at(1));
  roster.distrust();
  assertEquals(ports(roster), [2, 3, 1]);
  roster.answered(at(1));
  assertEquals(ports(roster), [1, 2, 3]);
});

Deno.test("SentinelRoster asks who was wrong last, however many found that out together", () => {
  const roster = new SentinelRoster([at(1), at(2)]);
  roster.answered(at(1));
  // A lane and a lease were told of the same server.
  roster.distrust();
  roster.distrust();
  assertEquals(ports(roster), [2, 1]);
  roster.answered(at(2));
  roster.distrust();
  assertEquals(ports(roster), [1, 2]);
});

Deno.test("SentinelRoster gets to a sentinel that is right, however many before it are wrong", () => {
  const roster = new SentinelRoster([at(1), at(2), at(3), at(4)]);
  for (const wrong of [1, 2, 3]) {
    assertEquals(ports(roster)[0], wrong);
    roster.answered(at(wrong));
    roster.distrust();
  }
  assertEquals(ports(roster), [4, 1, 2, 3]);
  roster.answered(at(4));
  assertEquals(ports(roster), [4, 1, 2, 3]);
  roster.answered(at(2));
  assertEquals(ports(roster), [2, 4, 1, 3]);
});

Deno.test("SentinelRoster learns sentinels, the one that told of them too, and forgets them when it is told otherwise", () => {
  const roster = new SentinelRoster([at(1)]);
  roster.learn(at(1), [at(2), at(3)]);
  assertEquals(ports(roster), [1, 2, 3]);
  roster.answered(at(3));
  roster.learn(at(3), [at(4)]);
  assertEquals(ports(roster), [3, 1, 4]);
});

Deno.test("SentinelRoster never forgets configured sentinels, whatever it is told", () => {
  const roster = new SentinelRoster([at(1), at(2)]);
  roster.learn(at(9), []);
  assertEquals(ports(roster), [1, 2, 9]);
  roster.learn(at(1), []);
  assertEquals(ports(roster), [1, 2]);
});

Deno.test("SentinelRoster remembers a bounded number of learned sentinels", () => {
  const roster = new SentinelRoster([at(1)]);
  roster.learn(at(1), Array.from({ length: 1000 }, (_, i) => at(i + 2)));
  assertEquals(roster.inTurn().length, 64);
});

Deno.test("describeSentinel() puts brackets around IPv6", () => {
  assertEquals(formatAddress({ host: "::1", port: 26379 }), "[::1]:26379");
});
