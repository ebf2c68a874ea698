import { assertEquals } from "@std/assert";
import { asLogText, maskSecrets } from "../../../src/observability/log_text.ts";

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

Deno.test("asLogText() gives one line that no logger takes for a template", () => {
  assertEquals(
    asLogText("a\r\nfake line\u001b[31m {name} 100% %s %d redis://u:p@h"),
    "a fake line [31m (name) 100% % s % d redis://***@h",
  );
});
