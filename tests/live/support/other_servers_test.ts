import { assertEquals, assertRejects } from "@std/assert";
import { layOutServer } from "../../support/other_servers.ts";

Deno.test("layOutServer() says which servers there are", async () => {
  await assertRejects(
    () => layOutServer("redis-6", "/no/such/folder"),
    Error,
    'Cannot lay out "redis-6": the servers are redis-8, redis-8.0, valkey-9,',
  );
});

Deno.test("layOutServer() takes the server that the folder holds, and reads its version", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const executable = `${folder}/valkey-9/bin/redis-server`;
    await Deno.mkdir(`${folder}/valkey-9/bin`, { recursive: true });
    const said = "Server v=9.1.2 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64";
    await Deno.writeTextFile(executable, `#!/bin/sh\necho "${said}"\n`, { mode: 0o755 });
    assertEquals(await layOutServer("valkey-9", folder), {
      name: "valkey-9",
      version: "9.1.2",
      executable,
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
