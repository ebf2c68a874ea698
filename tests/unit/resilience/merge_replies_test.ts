import { Buffer } from "node:buffer";
import { assert, assertEquals } from "@std/assert";
import {
  type CommandSpread,
  mergeReplies,
  readTips,
  type ResponsePolicy,
  spreadOf,
} from "../../../src/resilience/command_spread.ts";

Deno.test("mergeReplies() makes one reply by each response policy", () => {
  const cases: readonly [ResponsePolicy, unknown[], unknown][] = [
    ["all_succeeded", ["OK", "OK"], "OK"],
    ["one_succeeded", ["OK"], "OK"],
    ["agg_sum", [1, 2, 3], 6],
    ["agg_sum", [[1, 2], [10, 20]], [11, 22]],
    ["agg_min", [3, 1, 2], 1],
    ["agg_max", [3, 1, 2], 3],
    ["agg_logical_and", [[1, 1, 0], [1, 0, 0]], [1, 0, 0]],
    ["agg_logical_or", [[1, 1, 0], [1, 0, 0]], [1, 1, 0]],
    ["joined", [["a", "b"], [], ["c"]], ["a", "b", "c"]],
    // Entries of a slow log are lists themselves.
    ["joined", [[[1, "a"]], [[2, "b"]]], [[1, "a"], [2, "b"]]],
    ["special", [null, "k", null], "k"],
    ["special", [null, null], null],
  ];
  for (const [policy, replies, merged] of cases) {
    assertEquals(mergeReplies(policy, replies), merged, policy);
  }
});

Deno.test("mergeReplies() gives a key once that two nodes gave, as it was moved meanwhile", () => {
  assertEquals(mergeReplies("joined", [["a", "b"], ["b", "c"]]), ["a", "b", "c"]);
  const bytes = (text: string) => Buffer.from(text);
  assertEquals(
    mergeReplies("joined", [[bytes("a")], [bytes("a"), Buffer.of(0xff)]]),
    [bytes("a"), Buffer.of(0xff)],
  );
});

Deno.test("mergeReplies() picks each of several keys sooner or later", () => {
  const picked = new Set(
    Array.from({ length: 200 }, () => mergeReplies("special", ["a", null, "b"])),
  );
  assertEquals([...picked].sort(), ["a", "b"]);
});

Deno.test("readTips() reads the policies, and takes replies of an unknown policy for such that cannot be merged", () => {
  const read = (...tips: string[]) => readTips(tips);
  const joined: CommandSpread = { request: "all_shards", response: "joined" };
  assertEquals(read("nondeterministic_output", "request_policy:all_shards"), joined);
  assertEquals(read("response_policy:agg_sum", "request_policy:all_nodes"), {
    request: "all_nodes",
    response: "agg_sum",
  });
  assertEquals(read("request_policy:all_shards", "response_policy:agg_new"), {
    request: "all_shards",
    response: "special",
  });
  assertEquals(readTips(["request_policy:all_shards"], spreadOf("randomkey")), {
    request: "all_shards",
    response: "special",
  });
  assertEquals(read("request_policy:new"), undefined);
  assertEquals(read("nondeterministic_output"), undefined);
});

Deno.test("MSETNX and SORT are not split: they would not be what they are", () => {
  for (const name of ["msetnx", "sort", "sort_ro", "sunion", "info", "ping"]) {
    assertEquals(spreadOf(name), undefined, name);
  }
  assert(spreadOf("mset") !== undefined);
});
