/** The completions, as far as the shells that are here can run them. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { main } from "../../../src/cli/main.ts";
import { testIo } from "./_io.ts";

async function script(shell: string): Promise<string> {
  const io = testIo();
  assertEquals(await main(["completions", shell], io), 0);
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
    assertEquals(await complete(source, ["do"]), ["doctor"]);
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

/** Types a line and a tab in a shell of zsh's own, and waits until `$want` is shown. */
const ZSH = `
zmodload zsh/zpty
zpty -b shell 'TERM=dumb zsh -f -i'
expect() {
  local part shown="" tries=0
  while (( tries++ < 400 )); do
    while zpty -r -t shell part; do shown+=$part; done
    [[ $shown == *$1* ]] && return 0
    sleep 0.05
  done
  print -r -- "$2: no $1 in $shown"
  exit 1
}
zpty -w shell "fpath=($1 \\$fpath); autoload -U compinit; compinit -u -D; echo re''ady"
expect ready compinit
while read -r want; do
  read -r line
  zpty -n -w shell "$line"$'\t'
  expect "$want" "$line"
  zpty -n -w shell $'\x15'
done
`;

Deno.test({
  name: "zsh completes commands, their commands, options, choices and files",
  ignore: !await has("zsh"),
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "mooring-zsh-" });
    try {
      await Deno.writeTextFile(`${folder}/_mooring`, await script("zsh"));
      const child = new Deno.Command("zsh", {
        args: ["-f", "-c", ZSH, "zsh", folder],
        cwd: new URL("../../..", import.meta.url),
        env: { HOME: folder },
        ...{ stdin: "piped", stdout: "piped", stderr: "piped" } as const,
      }).spawn();
      const lines = [
        ...["mooring doctor", "mooring doc", "mooring config check", "mooring config ch"],
        ...["mooring completions fish", "mooring completions f"],
        ...["doctor --instances", "mooring doctor --inst"],
        ...["config deno.json", "mooring config check --config deno.jso"],
      ];
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(`${lines.join("\n")}\n`));
      await writer.close();
      const { code, stdout } = await child.output();
      assertEquals([code, new TextDecoder().decode(stdout)], [0, ""]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "fish completes commands, their commands, options, choices and files",
  ignore: !await has("fish"),
  async fn() {
    const source = await script("fish");
    const offered = async (line: string) => {
      const { code, stdout } = await new Deno.Command("fish", {
        args: ["--no-config", "-c", `${source}\ncomplete -C "${line}"`],
        cwd: new URL("../../..", import.meta.url),
      }).output();
      assertEquals(code, 0);
      const text = new TextDecoder().decode(stdout).trimEnd();
      return text.split("\n").map((each) => each.split("\t")[0]);
    };
    assertEquals(await offered("mooring d"), ["doctor"]);
    assertEquals(await offered("mooring config ch"), ["check"]);
    assertEquals(await offered("mooring completions b"), ["bash"]);
    assertEquals(await offered("mooring doctor --inst"), ["--instances"]);
    assertEquals(await offered("mooring doctor --config deno.js"), ["deno.json"]);
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
