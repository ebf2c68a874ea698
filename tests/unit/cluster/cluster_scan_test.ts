import { assertEquals, assertThrows } from "@std/assert";
import {
  decodeCursor,
  encodeCursor,
  readView,
  SlotSet,
} from "../../../src/cluster/cluster_scan.ts";

const NODES = [
  "aa 10.0.0.1:7000@17000,one.example master - 0 1 3 connected 5461-10922",
  "bb 10.0.0.2:7000@17000 myself,master - 0 0 12 connected 0-5460 16383 [93->-aa] [77-<-aa]",
  "cc 10.0.0.3:7000@17000 slave bb 0 2 12 connected",
].join("\n");

Deno.test("readView() reads what a node has, and what comes and goes", () => {
  const asked = { host: "h", port: 7000 };
  const view = readView(NODES, asked);
  assertEquals(`${view.owned}`, "0-5460 16383");
  assertEquals(`${view.importing}`, "77");
  assertEquals([...view.migrating], [[93, "10.0.0.1:7000"]]);
  assertEquals(view.epoch, "12");
  // It may not know where others are, and they may be elsewhere.
  const unknown = readView(NODES.replace("10.0.0.1:", ":"), asked);
  assertEquals([...unknown.migrating.values()], ["h:7000"]);
  const mapped = readView(NODES, asked, ({ port }) => ({ host: "nat", port: port + 1 }));
  assertEquals([...mapped.migrating.values()], ["nat:7001"]);
  // A replica has nothing that a scan counts.
  const replica = readView(NODES.replace("myself,master", "myself,slave"), asked);
  assertEquals([`${replica.owned}`, replica.migrating.size], ["", 0]);
});

Deno.test("SlotSet writes ranges and reads them again", () => {
  const slots = new SlotSet(["0", "5-7", "16383"]);
  assertEquals(`${slots}`, "0 5-7 16383");
  assertEquals([...slots], [0, 5, 6, 7, 16383]);
  slots.delete(6);
  slots.add(1);
  assertEquals(`${slots}`, "0-1 5 7 16383");
});

Deno.test("a cursor has all that a scan knows, and no other text is one", () => {
  const state = decodeCursor("0");
  assertEquals([`${state.done}`, state.at], ["", undefined]);
  state.done.add(3);
  state.moving.set(9, "10.0.0.1:7000");
  state.stuck.add(8);
  state.isWatched = true;
  state.at = {
    name: "10.0.0.2:7000",
    server: "run",
    cursor: "17",
    epoch: "4",
    slots: new SlotSet(["9-11"]),
    leaving: new SlotSet(["10"]),
  };
  const cursor = encodeCursor(state);
  assertEquals(encodeCursor(decodeCursor(cursor)), cursor);
  const { at, done, isWatched, moving, stuck } = decodeCursor(cursor);
  assertEquals(
    [`${done}`, `${stuck}`, isWatched, [...moving], at?.cursor, `${at?.slots}`],
    ["3", "8", true, [[9, "10.0.0.1:7000"]], "17", "9-11"],
  );
  for (const text of ["17", "x", "", btoa("{}"), btoa("[1]")]) {
    assertThrows(() => decodeCursor(text), RangeError, "one that SCAN gave");
  }
});
