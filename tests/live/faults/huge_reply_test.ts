// Runs alone: it fills memory, and compares times.
import { assert, assertEquals } from "@std/assert";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { runChild } from "./_child.ts";
import { report } from "./_report.ts";

const MIB = 1024 * 1024;
const FILL_LIST = "for i = 1, 1000 do local t = {} " +
  "for j = 1, 1000 do t[j] = 'element ' .. j end redis.call('RPUSH', 'list', unpack(t)) end";

Deno.test("a 256 MiB bulk and a list of 1,000,000 cost what they weigh, and no lane fails", async () => {
  await using server = await RedisServer.start({ config: { save: '""' } });
  await server.cli("SETRANGE", "big", String(256 * MIB - 1), "x");
  await server.cli("EVAL", FILL_LIST, "0");
  const { code, out, text } = await runChild("_huge_reply_child.ts", [
    String(server.port),
  ]);
  assertEquals(code, 0, text);
  const found = JSON.parse(out);
  assertEquals([found.lanes, found.bulkBytes, found.length], [2, 256 * MIB, 1_000_000]);
  // The chunks as they came, and the Buffer that they are joined to.
  assert(found.bulkCost < 3 * 256 * MIB, `256 MiB cost ${found.bulkCost / MIB} MiB`);
  // Strings of 15 characters in an array: 112 bytes an element were measured.
  assert(found.listCost < 3.5 * 256 * MIB, `the list cost ${found.listCost / MIB} MiB`);
  assert(found.besideBulk.served >= 1, "no small command was answered before the bulk");
  // 0 to 2 where one socket is read to its end, 20 to 200 where each has its turn.
  const { served } = found.besideList;
  assert(served >= 4, `${served} small commands were answered beside the list`);
  await report({
    row: 27,
    fault: "256 MiB bulk, list of 1,000,000",
    outcome: `${Math.round(found.bulkCost / MIB)} MiB at most, ` +
      `${served} GETs beside the list, the longest of ` +
      `${Math.round(found.besideList.longestMs)} ms`,
  });
});
