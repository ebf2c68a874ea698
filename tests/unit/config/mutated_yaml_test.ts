import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { ConfigError } from "../../../src/core/errors/base.ts";
import { Random } from "./random.ts";
import { configOf, FOURTEEN } from "./support.ts";

const CASES = 3000;
const SEED = Number(Deno.env.get("MOORING_TEST_SEED") ?? 20_260_101);

/** Pieces that mean something to YAML, to the loader or to JavaScript. */
const PIECES = [
  ..."{}[],:#&*!|>'\"%@`?-\t\n\r \0\u0007\u00e9\u2028\ufeff\ud800".split(""),
  "<<: ",
  "*a",
  "&a ",
  "${",
  "${X}",
  "${X:-",
  "$${",
  "__proto__: ",
  "constructor: ",
  "---\n",
  "...\n",
  "? ",
  "!!binary ",
  "!!set ",
  "null",
  "~",
  "yes",
  "010",
  "1_000",
  "0x1",
  ".nan",
  "2024-01-01",
  "databases:\n",
  "redis_databases:\n",
  "url: redis://:p@h/1\n",
  "db: ",
  "alias_of: main\n",
  "nodes: [",
  "tls: {",
  "mode: cluster\n",
  "mode: sentinel\n",
  "password_file: /dev/null\n",
  "  ",
  "\n  ",
  "\n    ",
  "9".repeat(400),
  "a".repeat(300),
];

/** A text with some random damage. */
function mutate(text: string, random: Random): string {
  let result = text;
  for (let i = random.int(1, 6); i > 0; i--) {
    const at = random.int(0, result.length);
    const length = random.chance(0.2) ? random.int(0, 400) : random.int(0, 8);
    const cut = result.slice(at, at + length);
    switch (random.int(0, 4)) {
      case 0: // insert
        result = result.slice(0, at) + random.pick(PIECES) + result.slice(at);
        break;
      case 1: // delete
        result = result.slice(0, at) + result.slice(at + length);
        break;
      case 2: // repeat
        result = result.slice(0, at) + cut.repeat(random.int(2, 5)) + result.slice(at);
        break;
      case 3: { // move
        const to = random.int(0, result.length);
        result = result.slice(0, to) + cut + result.slice(to);
        break;
      }
      default: { // replace a character
        const char = String.fromCharCode(random.int(0, 255));
        result = result.slice(0, at) + char + result.slice(at + 1);
      }
    }
  }
  return result;
}

Deno.test(`load() makes a configuration or a ConfigError of ${CASES} mutated texts (seed ${SEED})`, async () => {
  const random = new Random(SEED);
  const sample = new URL("../../../config/redis-databases.yaml", import.meta.url);
  const seeds = await Promise.all(
    [FOURTEEN, sample].map((url) => Deno.readTextFile(url)),
  );
  const before = Object.getOwnPropertyNames(Object.prototype);
  let good = 0;
  /** How long a text takes, in milliseconds. */
  const read = (text: string): number => {
    const start = performance.now();
    try {
      configOf(text, { X: "1" });
      good++;
    } catch (error) {
      assertInstanceOf(error, ConfigError, JSON.stringify(text));
      assert(error.problems.length > 0);
    }
    return performance.now() - start;
  };
  let slowest = { text: "", ms: 0 };
  for (let i = 0; i < CASES; i++) {
    const text = mutate(random.pick(seeds), random);
    const ms = read(text);
    if (ms > slowest.ms) slowest = { text, ms };
  }
  // Slow each time; once may be the machine's.
  const leastMs = Math.min(slowest.ms, read(slowest.text), read(slowest.text));
  assert(leastMs < 1000, `${leastMs} ms for ${JSON.stringify(slowest.text)}`);
  assert(good > CASES / 50 && good < CASES * 0.9, `${good} of ${CASES} were good`);
  assertEquals(Object.getOwnPropertyNames(Object.prototype), before);
});
