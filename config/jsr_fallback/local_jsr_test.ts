import { assertEquals } from "@std/assert";
import { startLocalJsr } from "./local_jsr.ts";
import { LAUNCHER_FOLDER } from "./paths.ts";

/** A project of two files that are published, and two that are not. */
async function project(): Promise<{ folder: string } & AsyncDisposable> {
  const folder = await Deno.makeTempDir();
  const files = {
    "deno.json": JSON.stringify({
      name: "@a/b",
      version: "1.2.3",
      exports: { ".": "./mod.ts" },
      imports: { "@std/async": "jsr:@std/async@^1.0.0", "c": "npm:c@^4.0.0" },
      publish: { include: ["mod.ts", "data/*.json"] },
    }),
    "mod.ts":
      `import "c/d";\nexport { retry } from "@std/async/retry";\nimport "./e.ts";`,
    "data/x.json": "{}",
    "data/x.txt": "",
    "other.ts": "",
  };
  await Deno.mkdir(`${folder}/data`);
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${folder}/${name}`, text);
  }
  return {
    folder,
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

Deno.test("startLocalJsr() serves a project as it is published, and std", async () => {
  await using given = await project();
  // The stand-ins are packages of std to whoever asks.
  await using registry = await startLocalJsr(LAUNCHER_FOLDER, given.folder);
  const get = async (path: string) => {
    const response = await fetch(registry.url + path);
    return response.ok ? await response.text() : (await response.body?.cancel(), null);
  };
  assertEquals(JSON.parse((await get("@a/b/meta.json"))!), {
    scope: "a",
    name: "b",
    latest: "1.2.3",
    versions: { "1.2.3": {} },
  });
  const { manifest, exports } = JSON.parse((await get("@a/b/1.2.3_meta.json"))!);
  assertEquals(Object.keys(manifest).sort(), ["/data/x.json", "/mod.ts"]);
  assertEquals(exports, { ".": "./mod.ts" });
  assertEquals(
    await get("@a/b/1.2.3/mod.ts"),
    `import "npm:c@^4.0.0/d";\nexport { retry } from "jsr:@std/async@^1.0.0/retry";\n` +
      `import "./e.ts";`,
  );
  assertEquals(await get("@a/b/1.2.3/other.ts"), null);
  assertEquals(JSON.parse((await get("@std/async/meta.json"))!).name, "async");
});
