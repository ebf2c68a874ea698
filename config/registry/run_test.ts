import { assertEquals, assertStringIncludes } from "@std/assert";
import { ROOT } from "./paths.ts";

Deno.test("the task test says in a sentence that there is no Redis server, and runs nothing", async () => {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-config", "--no-lock", "config/registry/run.ts", "test"],
    cwd: ROOT,
    env: { REDIS_SERVER: "/no/such/server", NO_COLOR: "1" },
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals([code, out], [1, "0 passed, 1 failed\n"], err);
  assertStringIncludes(err!, 'REDIS_SERVER names "/no/such/server"');
  assertStringIncludes(err!, "No test was run.");
});
