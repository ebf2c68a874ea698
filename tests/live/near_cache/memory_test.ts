import { assert } from "@std/assert";
import { configArgs } from "../../support/child_config.ts";

const SCRIPT = new URL("_memory_child.ts", import.meta.url).pathname;

/** What a process of its own prints. */
async function measure(...args: string[]) {
  const { code, stderr, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--v8-flags=--expose-gc", ...configArgs(), SCRIPT, ...args],
  }).output();
  const decoder = new TextDecoder();
  assert(code === 0, decoder.decode(stderr));
  return JSON.parse(decoder.decode(stdout));
}

Deno.test("the near cache takes no more memory than max_bytes says", async () => {
  const shapes: string[] = await measure();
  assert(shapes.length > 5);
  for (const shape of shapes) {
    const { estimated, share } = await measure(shape);
    const text = `${shape}: ${share.toFixed(2)} of max_bytes`;
    console.log(text);
    assert(estimated <= 1 && share < 1.02, text);
    // Hashes with the same few fields share their names, and how they are laid out: they are
    // estimated as if they did not.
    assert(share > (shape === "hash" ? 0.25 : 0.6), text);
  }
});
