import { assertEquals } from "@std/assert";
import { AbortWatch } from "../../../src/pool/abort_watch.ts";

Deno.test("AbortWatch tells each member of a signal that aborts, with the reason", () => {
  const told: unknown[] = [];
  const watch = new AbortWatch<string>((member, reason) => told.push([member, reason]));
  const [one, two] = [new AbortController(), new AbortController()];
  watch.add(one.signal, "a");
  watch.add(one.signal, "b");
  watch.add(one.signal, "c");
  watch.add(two.signal, "d");
  assertEquals(watch.size, 2);
  watch.remove(one.signal, "b");
  one.abort("enough");
  assertEquals(told, [["a", "enough"], ["c", "enough"]]);
  assertEquals(watch.size, 1);
  watch.remove(two.signal, "d");
  two.abort();
  assertEquals([told.length, watch.size], [2, 0]);
});

Deno.test("AbortWatch puts one listener on a signal, and none when nobody is left", () => {
  const watch = new AbortWatch<number>(() => {});
  const { signal } = new AbortController();
  const calls: string[] = [];
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    calls.push("add");
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    calls.push("remove");
    removeEventListener.apply(signal, args);
  };
  for (let member = 0; member < 1000; member++) watch.add(signal, member);
  for (let member = 0; member < 1000; member++) watch.remove(signal, member);
  watch.remove(signal, 1);
  assertEquals(calls, ["add", "remove"]);
});
