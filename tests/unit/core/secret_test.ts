import { assert, assertEquals } from "@std/assert";
import { inspect } from "node:util";
import { maskSecrets, Secret } from "../../../src/core/secret.ts";

Deno.test("Secret never shows what it holds, and gives it when asked", async () => {
  const secret = new Secret("hunter2");
  const shown = [
    `${secret}`,
    JSON.stringify({ secret }),
    Deno.inspect({ secret }, { depth: 10, showHidden: true }),
    inspect({ secret }, { depth: 10, showHidden: true }),
    String(Object.entries(secret)),
  ].join();
  assert(!shown.includes("hunter2"), shown);
  assertEquals(await secret.reveal(), "hunter2");
});

Deno.test("Secret.reveal() asks a provider each time", async () => {
  let n = 0;
  const secret = new Secret(() => Promise.resolve(`token-${++n}`));
  assert(secret.isProvided);
  assertEquals(await secret.reveal(), "token-1");
  assertEquals(await secret.reveal(), "token-2");
});

Deno.test("Secret.equals() compares texts, and providers by identity", () => {
  const provider = () => "a";
  assert(new Secret("a").equals(new Secret("a")));
  assert(!new Secret("a").equals(new Secret("b")));
  assert(!new Secret("a").equals(undefined));
  assert(new Secret(provider).equals(new Secret(provider)));
  assert(!new Secret(() => "a").equals(new Secret(() => "a")));
});

for (
  const [text, masked] of [
    ["redis://app:hunter2@db:6379/0", "redis://***@db:6379/0"],
    ["rediss://:hunter2@db", "rediss://***@db"],
    ["see redis://db:6379 and a@b", "see redis://db:6379 and a@b"],
    ["password=hunter2 rest", "password=*** rest"],
    ["Password: hunter2", "Password: ***"],
    ['token "hunter2"', "token ***"],
    [
      "WRONGPASS invalid username-password pair",
      "WRONGPASS invalid username-password pair",
    ],
    ["the password was refused", "the password was refused"],
  ] as const
) {
  Deno.test(`maskSecrets() makes ${JSON.stringify(masked)} of ${JSON.stringify(text)}`, () => {
    assertEquals(maskSecrets(text), masked);
  });
}
