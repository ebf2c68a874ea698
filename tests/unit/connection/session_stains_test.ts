import { assertEquals } from "@std/assert";
import { Stains } from "../../../src/connection/session_stains.ts";

const UNSTAINED = { db: 3, connectionName: "mine" };

/** What is undone after commands, those marked with `!` having succeeded. */
function undoOf(...commands: string[]): string[] {
  const stains = new Stains();
  for (const command of commands) {
    const [name, ...args] = command.replace("!", "").split(" ");
    const succeeded = stains.note(name!, args);
    if (command.endsWith("!")) succeeded?.();
  }
  if (stains.indelible) return ["indelible"];
  const none = stains.none;
  const undo = stains.undo(UNSTAINED)
    .map(({ name, args }) => [name, ...args].join(" "));
  assertEquals(none, undo.length === 0);
  return undo;
}

Deno.test("Stains.undo() gives what takes each stain away, DISCARD first", () => {
  assertEquals(undoOf("get a", "set a 1", "client id", "CLIENT LIST"), []);
  assertEquals(undoOf("SELECT 5", "watch a", "multi"), [
    "discard",
    "unwatch",
    "select 3",
  ]);
  assertEquals(undoOf("client SETNAME a"), ["client setname mine"]);
  assertEquals(undoOf("CLIENT tracking on", "client caching yes"), [
    "client tracking off",
  ]);
  assertEquals(undoOf("client no-evict on", "client no-touch on"), [
    "client no-evict off",
    "client no-touch off",
  ]);
});

Deno.test("Stains.note() takes a stain away only when the command that does so succeeds", () => {
  assertEquals(undoOf("watch a", "unwatch"), ["unwatch"]);
  assertEquals(undoOf("watch a", "unwatch!"), []);
  assertEquals(undoOf("watch a", "multi", "exec!"), []);
  assertEquals(undoOf("watch a", "multi", "exec"), ["discard", "unwatch"]);
  assertEquals(undoOf("watch a", "multi", "discard!"), []);
});

Deno.test("Stains.note() keeps what was left again after the command that takes it away", () => {
  const stains = new Stains();
  stains.note("watch", ["a"]);
  stains.note("multi", []);
  const executed = stains.note("exec", []);
  stains.note("watch", ["b"]);
  executed?.();
  assertEquals(stains.undo(UNSTAINED).map(({ name }) => name), ["unwatch"]);
  assertEquals(stains.none, true);
});

Deno.test("Stains.indelible is true of what no command takes away", () => {
  for (
    const command of [
      ...["subscribe a", "PSUBSCRIBE a", "ssubscribe a", "monitor", "hello 2", "reset"],
      ...["auth a", "quit", "readonly", "client reply off", "client setinfo lib-name x"],
      ...["script debug yes", "client never-heard-of", "sync"],
    ]
  ) assertEquals(undoOf(command), ["indelible"], command);
  assertEquals(undoOf("script load x"), []);
  const stains = new Stains();
  stains.spoil();
  assertEquals(stains.indelible, true);
});

Deno.test("Stains of one connection are not those of another", () => {
  const [one, other] = [new Stains(), new Stains()];
  const cleaned = [one.note("watch", ["a"]), one.note("unwatch", [])];
  assertEquals([one.none, other.none], [false, true]);
  cleaned[1]!();
  assertEquals(one.none, true);
  one.note("select", [1]);
  assertEquals([one.none, other.none, new Stains().none], [false, true, true]);
});
