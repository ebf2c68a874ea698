import { assertEquals } from "@std/assert";
import { FakeClock } from "../../../src/testing/fake_clock.ts";
import { FairReader, ReadBudget } from "../../../src/transport/fair_reading.ts";

const KIB = 1024;
const SLICE = 128 * KIB;

/** Reads from a socket that only notes what is done to it, at so many a slice. */
function setUp(costMs: number) {
  const clock = new FakeClock();
  const log: string[] = [];
  const socket = {
    pause: () => void log.push("pause"),
    resume: () => void log.push("resume"),
  };
  let next = 0;
  const data = (chunk: Uint8Array) => {
    // Each byte says the place of its slice.
    assertEquals(chunk[0], next++ % 256);
    log.push(`${chunk.byteLength / KIB}`);
    clock.freeze(costMs);
  };
  const turn = new ReadBudget(clock, { data }, true);
  return { clock, log, reading: new FairReader(socket, turn) };
}

/** So many KiB, each slice of which is filled with its place. */
function bytes(kib: number, first = 0): Uint8Array {
  return new Uint8Array(kib * KIB).map((_, i) => first + Math.floor(i / SLICE));
}

Deno.test("FairReader.take() delivers a chunk at once if that takes no long time", () => {
  const { log, reading } = setUp(1);
  reading.take(bytes(3));
  reading.take(bytes(128, 1));
  assertEquals(log, ["3", "128"]);
});

Deno.test("FairReader.take() cuts a large chunk, and lets others have their turn in between", async () => {
  const { clock, log, reading } = setUp(30);
  reading.take(bytes(600));
  // Two slices are a turn.
  assertEquals(log, ["128", "128", "pause"]);
  // Whatever comes all the same waits behind the rest.
  reading.take(bytes(3, 5));
  await clock.advance(0);
  assertEquals(log.slice(3), ["128", "128", "pause", "88", "3", "resume"]);
});

Deno.test("FairReader.end() delivers the rest of a closed socket, once", async () => {
  const { clock, log, reading } = setUp(60);
  reading.take(bytes(384));
  assertEquals(log, ["128", "pause"]);
  reading.end();
  assertEquals(log, ["128", "pause", "128", "128"]);
  await clock.advance(100);
  assertEquals(log.length, 4);
});
