import { assertEquals } from "@std/assert";
import { Command } from "ioredis";
import { commandText } from "../../../src/connection/driver.ts";

function libraryText(name: string, args: string[]): string {
  return String(new Command(name, args).toWritable({}));
}

const LETTERS = ["a", "Z", "0", " ", "\r\n", "$", "\0", "\x7f", "\x80", "é", "€", "😀"];
/** Halves of a pair, which no UTF-8 has: three bytes each, of what stands for them. */
const LONE = ["\ud83d", "\ude00"];

Deno.test("commandText() equals the text of ioredis, for any arguments", () => {
  let seed = 20261125;
  const below = (n: number) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return seed % n;
  };
  const letters = [...LETTERS, ...LONE];
  for (let i = 0; i < 5000; i++) {
    const text = () => {
      const kinds = 1 + below(3);
      let made = "";
      const length = below(4) === 0 ? below(3000) : below(60);
      while (made.length < length) {
        made += letters[below(kinds === 1 ? 4 : letters.length)]!;
      }
      return made;
    };
    const args = Array.from({ length: below(5) }, text);
    assertEquals(commandText("set", args), libraryText("set", args));
  }
});

Deno.test("commandText() writes any number of arguments and any name", () => {
  for (const count of [0, 1, 2, 31, 32, 33, 1000]) {
    const args = Array.from({ length: count }, (_, i) => `v${i}`);
    for (const name of ["ping", "MSET", "größe", "set"]) {
      // Once made, once kept.
      assertEquals(commandText(name, args), libraryText(name, args));
      assertEquals(commandText(name, args), libraryText(name, args));
    }
  }
});

Deno.test("commandText() writes more names than are cached", () => {
  for (let i = 0; i < 3000; i++) {
    assertEquals(commandText(`name${i}`, ["k"]), libraryText(`name${i}`, ["k"]));
  }
});
