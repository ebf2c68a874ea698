import { assertEquals, assertMatch } from "@std/assert";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { RespClient } from "../../../src/testing/resp_client.ts";
import { RespError } from "../../../src/testing/resp_parser.ts";
import {
  judgeWrites,
  type ToldWrite,
  type WireEvidence,
} from "../../support/wire_verdict.ts";
import { type WireCommand, WriteTap } from "../../support/write_tap.ts";

function sent(
  text: string,
  reply: number | RespError | undefined,
  node = "a",
): WireCommand {
  const [name = "", ...args] = text.split(" ");
  return { name, args, node, connection: 1, sentAt: 1, reply, repliedAt: 2 };
}

const incr = (reply: number): ToldWrite => ({ key: "n", outcome: "acknowledged", reply });
const push = (token: string, reply: number): ToldWrite => ({
  key: "l",
  token,
  outcome: "acknowledged",
  reply,
});
const moved = new RespError("MOVED 1 127.0.0.1:1");

/** Evidence, and what is wrong and forgotten by it: nothing where it is left out. */
const CASES: [string, Partial<WireEvidence> & { wrong?: RegExp; forgotten?: RegExp }][] =
  [
    ["all is told, and is there", {
      wire: [sent("INCR n", 1), sent("INCR n", moved), sent("INCR n", 2, "b")],
      told: [incr(2), incr(1)],
      kept: new Map([["n", 2]]),
    }],
    ["an ambiguous INCR that ran", {
      wire: [sent("INCR n", undefined)],
      told: [{ key: "n", outcome: "ambiguous" }],
      kept: new Map([["n", 1]]),
    }],
    ["one reply for two callers", {
      wire: [sent("INCR n", 1), sent("INCR n", undefined)],
      told: [incr(1), incr(1)],
      kept: new Map([["n", 2]]),
      wrong: /2 were told 1, servers said it 1×/,
    }],
    ["one number given by two servers", {
      wire: [sent("INCR n", 1), sent("INCR n", 1, "b")],
      told: [incr(1), incr(1)],
      kept: new Map([["n", 1]]),
      forgotten: /1 was given by a#1 .* and by b#1/,
    }],
    ["a number above the value", {
      wire: [sent("INCR n", 1), sent("INCR n", 2)],
      told: [incr(1), incr(2)],
      kept: new Map([["n", 1]]),
      forgotten: /2 was given by a#1 .*, it is 1/,
    }],
    ["an INCR sent again after its reply", {
      wire: [sent("INCR n", 1), sent("INCR n", 2)],
      told: [incr(2)],
      kept: new Map([["n", 2]]),
      wrong: /2 INCRs may have run, callers know of 1/,
    }],
    ["a number that nobody was given", {
      wire: [sent("INCR n", 1)],
      told: [incr(1)],
      kept: new Map([["n", 2]]),
      wrong: /n is 2: 1 numbers were given, 0 INCRs had no reply/,
    }],
    ["a write that nobody asked for", {
      wire: [sent("INCR n", 1), sent("DEL n", 1)],
      told: [incr(1)],
      kept: new Map([["n", 1]]),
      wrong: /nobody asked for a#1 \(DEL n/,
    }],
    ["replies that are swapped", {
      wire: [sent("RPUSH l t1", 1), sent("RPUSH l t2", 2)],
      told: [push("t1", 2), push("t2", 1)],
      kept: new Map([["l", ["t1", "t2"]]]),
      wrong: /t1 was told 2, on the wire is a#1/,
    }],
    ["a reply that no server gave", {
      wire: [sent("RPUSH l t1", moved)],
      told: [push("t1", 1)],
      kept: new Map([["l", []]]),
      wrong: /t1 was told 1, on the wire is nothing/,
    }],
    ["a token that a server forgot", {
      wire: [sent("RPUSH l t1", 1), sent("RPUSH l t2", 1, "b")],
      told: [push("t1", 1), push("t2", 1)],
      kept: new Map([["l", ["t2"]]]),
      forgotten: /t1 is at place nowhere: a#1/,
    }],
    ["a token that is there twice", {
      wire: [sent("RPUSH l t1", 1), sent("RPUSH l t1", 2)],
      told: [push("t1", 1)],
      kept: new Map([["l", ["t1", "t1"]]]),
      wrong: /sent again/,
      forgotten: /t1 is at place 2/,
    }],
    ["a token that is said never to have been sent", {
      wire: [sent("RPUSH l t1", undefined)],
      told: [{ key: "l", token: "t1", outcome: "never-sent" }],
      kept: new Map([["l", []]]),
      wrong: /t1 is called never-sent/,
    }],
  ];

for (const [name, { wire = [], told = [], kept = new Map(), ...expected }] of CASES) {
  Deno.test(`judgeWrites knows ${name}`, () => {
    const { wrong, forgotten } = judgeWrites({ wire, told, kept });
    for (
      const [found, pattern] of [[wrong, expected.wrong], [
        forgotten,
        expected.forgotten,
      ]] as const
    ) {
      if (pattern === undefined) assertEquals(found, []);
      else assertMatch(found.join("\n"), pattern);
    }
  });
}

Deno.test("WriteTap pairs each watched command with the reply that the server gave it", async () => {
  await using server = await RedisServer.start();
  const tap = new WriteTap(["n", "l"]);
  await using relay = await FaultProxy.start({
    to: server,
    observer: tap.recorderOf("a"),
  });
  using client = await RespClient.connect({ hostname: relay.host, port: relay.port });
  await client.pipeline([["PING"], ["incr", "n"], ["SET", "other", 1], ["GET", "n"]]);
  await client.pipeline([["RPUSH", "n", "x"], ["RPUSH", "l", "x"]]);
  assertEquals(
    tap.commands.map(({ name, args, node, connection, reply }) =>
      `${node}#${connection} ${name} ${args.join(" ")}: ${String(reply).slice(0, 9)}`
    ),
    ["a#1 INCR n: 1", "a#1 GET n: 1", "a#1 RPUSH n x: WRONGTYPE", "a#1 RPUSH l x: 1"],
  );
});
