import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConfigError } from "../../../src/core/errors/mod.ts";
import { Secret } from "../../../src/core/secret.ts";

Deno.test("Secret.credentials() takes a text, a secret or credentials of a provider", async () => {
  const bare = { password: "p", expiresAt: Infinity };
  assertEquals(await new Secret("p").credentials(), bare);
  assertEquals(await new Secret(() => "p").credentials(), bare);
  assertEquals(await new Secret(() => new Secret("p")).credentials(), bare);
  const named = { password: "p", username: "u" };
  assertEquals(
    await new Secret(() => ({ ...named, expiresAt: new Date(5000) })).credentials(),
    { ...named, expiresAt: 5000 },
  );
  assertEquals(
    await new Secret(() => Promise.resolve({ ...named, expiresAt: 6000 })).credentials(),
    { ...named, expiresAt: 6000 },
  );
  assertEquals(await new Secret(() => named).reveal(), "p");
});

Deno.test("Secret.credentials() tells what is wrong, and nothing that is secret", async () => {
  const allowed = "allowed: a date or milliseconds since the Unix epoch";
  for (
    const [found, message] of [
      [48151623, "found a number"],
      [undefined, "found undefined"],
      [["s3cret"], "found a list"],
      [{ token: "s3cret" }, "password: found undefined, allowed: a text"],
      [{ password: ["s3cret"] }, "password: found a list, allowed: a text"],
      [{ password: "s3cret", username: 7 }, "username: found a number, allowed: a text"],
      [{ password: "s3cret", expiresAt: "s3cret" }, `found a string, ${allowed}`],
      [{ password: "s3cret", expiresAt: NaN }, `found NaN, ${allowed}`],
      [{ password: "s3cret", expiresAt: new Date("x") }, `an invalid date, ${allowed}`],
    ] as const
  ) {
    const secret = new Secret(() => found as unknown as string);
    const error = await assertRejects(() => secret.credentials(), ConfigError, message);
    assert(!Deno.inspect(error).replace(/\n {4}at .*/g, "").includes("s3cret"));
    assert(!error.message.includes("48151623"));
  }
});
