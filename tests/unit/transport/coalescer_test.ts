import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { WriteCoalescer } from "../../../src/transport/coalescer.ts";

/** A coalescer whose tick ends when the test says so. */
function setUp() {
  const writes: (string | Uint8Array)[] = [];
  let atEnd: (() => void) | undefined;
  const coalescer = new WriteCoalescer(
    { write: (data) => void writes.push(data) },
    (fn) => atEnd = fn,
  );
  const endTick = () => {
    const fn = atEnd;
    atEnd = undefined;
    fn?.();
  };
  /** Ticks of `count` commands, until the average has settled. */
  const settle = (count: number) => {
    for (let tick = 0; tick < 100; tick++) {
      for (let i = 0; i < count; i++) coalescer.write("x");
      endTick();
    }
    writes.length = 0;
  };
  return { coalescer, writes, endTick, settle };
}

/** All that was written, as text. */
function textOf(writes: readonly (string | Uint8Array)[]): string {
  const decoder = new TextDecoder();
  return writes.map((w) => typeof w === "string" ? w : decoder.decode(w)).join("");
}

Deno.test("WriteCoalescer.write() sends a single command at once", () => {
  const { coalescer, writes, endTick } = setUp();
  coalescer.write("PING");
  assertEquals(writes, ["PING"]);
  endTick();
  assertEquals(writes, ["PING"]);
});

Deno.test("WriteCoalescer.write() splits a settled tick of many into about four writes", () => {
  for (const count of [32, 64, 256, 1000]) {
    const { coalescer, writes, endTick, settle } = setUp();
    settle(count);
    for (let i = 0; i < count; i++) coalescer.write(".");
    endTick();
    assertEquals(textOf(writes).length, count);
    assert(writes.length >= 3, `${writes.length} writes for ${count} commands`);
    assertLessOrEqual(writes.length, 5, `${writes.length} writes for ${count} commands`);
  }
});

Deno.test("WriteCoalescer.write() sends the first of a few at once, and the rest together", () => {
  const expected = [[2, [1, 1]], [8, [1, 7]], [9, [1, 8]], [16, [1, 8, 7]]] as const;
  for (const [count, sizes] of expected) {
    const { coalescer, writes, endTick, settle } = setUp();
    settle(count);
    for (let i = 0; i < count; i++) coalescer.write(".");
    endTick();
    assertEquals(writes.map((write) => write.length), [...sizes]);
  }
});

Deno.test("WriteCoalescer.inBatch keeps the first of a few with the rest", () => {
  for (const [count, sizes] of [[2, [2]], [8, [8]], [16, [8, 8]]] as const) {
    const { coalescer, writes, endTick, settle } = setUp();
    settle(count);
    coalescer.inBatch = true;
    for (let i = 0; i < count; i++) coalescer.write(".");
    coalescer.inBatch = false;
    endTick();
    assertEquals(writes.map((write) => write.length), [...sizes]);
  }
});

Deno.test("WriteCoalescer holds nothing past the end of the tick", () => {
  const { coalescer, writes, endTick, settle } = setUp();
  settle(400);
  coalescer.write("a");
  coalescer.write("b");
  assertEquals(writes, []);
  assertEquals(coalescer.pending, 2);
  endTick();
  assertEquals(writes, ["ab"]);
  assertEquals(coalescer.pending, 0);
});

Deno.test("WriteCoalescer keeps text and bytes in order", () => {
  const { coalescer, writes, endTick, settle } = setUp();
  settle(400);
  const bytes = new TextEncoder().encode("2");
  const large = new Uint8Array(20_000).fill("4".charCodeAt(0));
  coalescer.write("1");
  coalescer.write(bytes);
  coalescer.write("3é");
  coalescer.write(large);
  coalescer.write("5");
  endTick();
  assertEquals(textOf(writes), "123é" + "4".repeat(20_000) + "5");
  assert(writes.includes(large), "a large value was copied");
});

Deno.test("WriteCoalescer.write() does not hold a large value back", () => {
  const { coalescer, writes, settle } = setUp();
  settle(400);
  coalescer.write("x".repeat(64 * 1024));
  assertEquals(writes.length, 1);
});

Deno.test("WriteCoalescer.tick changes with each tick that wrote something", () => {
  const { coalescer, endTick } = setUp();
  const first = coalescer.tick;
  coalescer.write("a");
  assertEquals(coalescer.tick, first);
  endTick();
  assertEquals(coalescer.tick, first + 1);
});

Deno.test("WriteCoalescer writes every byte once, in order, whatever the mix", () => {
  let seed = 20261123;
  const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
  for (let round = 0; round < 200; round++) {
    const { coalescer, writes, endTick } = setUp();
    let wanted = "";
    for (let i = 0; i < 200; i++) {
      const text = String.fromCharCode(97 + Math.floor(random() * 26))
        .repeat(Math.floor(random() ** 8 * 40_000) + 1);
      wanted += text;
      coalescer.write(random() < 0.2 ? new TextEncoder().encode(text) : text);
      if (random() < 0.1) endTick();
    }
    endTick();
    assert(textOf(writes) === wanted, `bytes changed in round ${round}`);
  }
});

Deno.test("WriteCoalescer.drop() drops what is held, and returns the number of commands", () => {
  const { coalescer, writes, endTick } = setUp();
  for (const data of ["first", "text", new Uint8Array(3), "more"]) coalescer.write(data);
  assertEquals(coalescer.drop(), 3);
  endTick();
  assertEquals([writes, coalescer.pending], [["first"], 0]);
  coalescer.write("next");
  endTick();
  assertEquals(writes, ["first", "next"]);
});
