/** The completions, as far as the shells that are here can run them. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { run } from "../../../src/cli/run.ts";
import { testIo } from "./_io.ts";

async function script(shell: string): Promise<string> {
  const io = testIo();
  assertEquals(await run(["completions", shell], io), 0);
  return io.written.join("");
}

/** What bash offers for a line whose last word is being typed. */
async function complete(source: string, words: readonly string[]): Promise<string[]> {
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: [
      ...["--norc", "-c"],
      `${source}\nCOMP_WORDS=("$@"); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))\n` +
      `_mooring\nprintf '%s\\n' "\${COMPREPLY[@]}"`,
      ...["bash", "mooring", ...words],
    ],
    cwd: new URL("../../..", import.meta.url),
  }).output();
  const decoder = new TextDecoder();
  assertEquals([code, decoder.decode(stderr)], [0, ""]);
  return decoder.decode(stdout).split("\n").filter((line) => line !== "").sort();
}

/** Whether a program is here. */
async function has(program: string): Promise<boolean> {
  try {
    return (await new Deno.Command(program, { args: ["--version"] }).output()).success;
  } catch {
    return false;
  }
}

Deno.test({
  name: "bash completes commands, their commands, options, choices and files",
  ignore: !await has("bash"),
  async fn() {
    const source = await script("bash");
    assertEquals(await complete(source, ["d"]), ["doctor"]);
    assertEquals(await complete(source, ["config", "ch"]), ["check"]);
    assertEquals(await complete(source, ["completions", "b"]), ["bash"]);
    assertEquals(await complete(source, ["config", "check", "--j"]), ["--json"]);
    assertEquals(await complete(source, ["doctor", "--config", "deno.js"]), [
      "deno.json",
    ]);
    assertEquals(await complete(source, ["doctor", "--instances", ""]), []);
    assert((await complete(source, [""])).includes("stats"));
    // Options before a command do not hide it.
    assertEquals(await complete(source, ["stats", "-w", "--int"]), ["--interval"]);
  },
});

for (const shell of ["zsh", "fish"]) {
  Deno.test(`the completions for ${shell} know every command and option`, async () => {
    const source = await script(shell);
    for (const word of ["doctor", "stats", "explain", "instances", "interval", "force"]) {
      assertStringIncludes(source, word);
    }
    if (!await has(shell)) return;
    const { code, stderr } = await new Deno.Command(shell, { args: ["-n", "-c", source] })
      .output();
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  });
}
