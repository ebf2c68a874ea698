import { assert, assertEquals } from "@std/assert";
import { Browser } from "../../support/browser.ts";
import { findBrowser } from "../../support/browser_binary.ts";

const found = await findBrowser();
if ("missing" in found) console.log(`browser: skipped, ${found.missing}`);

const LOUD = `<!doctype html><body><script>
console.error("said"); console.warn("warned"); console.log("told");
</script><script>throw new Error("thrown")</script><img src="nothing.png">`;

Deno.test({
  name: "BrowserPage notes errors, warnings, exceptions and requests, and nothing else",
  ignore: "missing" in found,
  fn: async () => {
    if ("missing" in found) return;
    const folder = await Deno.makeTempDir({ prefix: "mooring-loud-" });
    try {
      await Deno.writeTextFile(`${folder}/page.html`, LOUD);
      await using browser = await Browser.start(found.executable);
      const page = await browser.open();
      await page.load(`file://${folder}/page.html`);
      for (const word of ["said", "warned", "thrown", "ERR_FILE_NOT_FOUND"]) {
        assert(page.complaints.some((complaint) => complaint.includes(word)), word);
      }
      assert(page.complaints.every((complaint) => !complaint.includes("told")));
      assertEquals(
        page.requests,
        ["page.html", "nothing.png"].map((name) => `file://${folder}/${name}`),
      );
      const quiet = await browser.open();
      await quiet.load("about:blank");
      assertEquals(quiet.complaints, []);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("findBrowser() says in a line why there is none", async () => {
  assertEquals(await findBrowser({ path: "", mayInstall: true }), {
    missing: "no chromium on PATH, and this process cannot install packages",
  });
  const folder = await Deno.makeTempDir({ prefix: "mooring-apt-" });
  try {
    const aptGet = (script: string) =>
      Deno.writeTextFile(`${folder}/apt-get`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const look = (timeoutMs = 60_000) =>
      findBrowser({ path: folder, mayInstall: true, timeoutMs });
    await aptGet("exit 7");
    assertEquals(await look(), {
      missing: "no chromium on PATH, and apt-get update ended with code 7",
    });
    await aptGet('[ "$1" = update ] || exec sleep 60');
    assertEquals(await look(3000), {
      missing: "no chromium on PATH, and apt-get install took more than 3000 ms",
    });
    await aptGet(`[ "$1" = update ] || { cp "$0" "${folder}/chromium"; }`);
    assertEquals(await look(), { executable: `${folder}/chromium` });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
