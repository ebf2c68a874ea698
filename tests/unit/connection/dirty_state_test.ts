import { assertEquals } from "@std/assert";
import { DirtyState } from "../../../src/connection/dirty_state.ts";

/** The clean-up after commands, of which those marked with `!` have succeeded. */
function cleanupOf(...commands: string[]): string[] {
  const state = new DirtyState();
  for (const command of commands) {
    const [name, ...args] = command.replace("!", "").split(" ");
    const succeeded = state.note(name!, args);
    if (command.endsWith("!")) succeeded?.();
  }
  if (state.isIrreversible) return ["irreversible"];
  const { isClean } = state;
  const cleanup = state.takeCleanup(3, "mine").map((command) => command.join(" "));
  assertEquals(isClean, cleanup.length === 0);
  return cleanup;
}

Deno.test("DirtyState.takeCleanup() returns the commands that undo each change, DISCARD first", () => {
  assertEquals(cleanupOf("get a", "set a 1", "client id", "CLIENT LIST"), []);
  assertEquals(cleanupOf("SELECT 5", "watch a", "multi"), [
    "discard",
    "unwatch",
    "select 3",
  ]);
  assertEquals(cleanupOf("client SETNAME a"), ["client setname mine"]);
  assertEquals(cleanupOf("CLIENT tracking on", "client caching yes"), [
    "client tracking off",
  ]);
  assertEquals(cleanupOf("client no-evict on", "client no-touch on"), [
    "client no-evict off",
    "client no-touch off",
  ]);
});

Deno.test("DirtyState.note() forgets a change only when the command that undoes it succeeds", () => {
  assertEquals(cleanupOf("watch a", "unwatch"), ["unwatch"]);
  assertEquals(cleanupOf("watch a", "unwatch!"), []);
  assertEquals(cleanupOf("watch a", "multi", "exec!"), []);
  assertEquals(cleanupOf("watch a", "multi", "exec"), ["discard", "unwatch"]);
  assertEquals(cleanupOf("watch a", "multi", "discard!"), []);
});

Deno.test("DirtyState.note() keeps a change that was made again after the command that undoes it", () => {
  const state = new DirtyState();
  state.note("watch", ["a"]);
  state.note("multi", []);
  const executed = state.note("exec", []);
  state.note("watch", ["b"]);
  executed?.();
  assertEquals(state.takeCleanup(3, "mine"), [["unwatch"]]);
  assertEquals(state.isClean, true);
});

Deno.test("DirtyState.isIrreversible is true after what no command undoes", () => {
  for (
    const command of [
      ...["subscribe a", "PSUBSCRIBE a", "ssubscribe a", "monitor", "hello 2", "reset"],
      ...["auth a", "quit", "readonly", "client reply off", "client setinfo lib-name x"],
      ...["script debug yes", "client never-heard-of", "sync"],
    ]
  ) assertEquals(cleanupOf(command), ["irreversible"], command);
  assertEquals(cleanupOf("script load x"), []);
  const state = new DirtyState();
  state.isPoisoned = true;
  assertEquals(state.isIrreversible, true);
});

Deno.test("DirtyState of one connection is not that of another", () => {
  const [one, other] = [new DirtyState(), new DirtyState()];
  const cleaned = [one.note("watch", ["a"]), one.note("unwatch", [])];
  assertEquals([one.isClean, other.isClean], [false, true]);
  cleaned[1]!();
  assertEquals(one.isClean, true);
  one.note("select", [1]);
  assertEquals([one.isClean, other.isClean, new DirtyState().isClean], [
    false,
    true,
    true,
  ]);
});
