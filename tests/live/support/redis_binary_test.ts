import { assert, assertEquals, assertRejects } from "@std/assert";
import { which } from "../../../src/testing/redis_program.ts";
import { ensureRedisServer } from "../../support/redis_binary.ts";

/** A folder of programs that stands for a whole machine's PATH. */
async function machine(
  programs: Record<string, string>,
): Promise<AsyncDisposable & { path: string; read: (name: string) => Promise<string> }> {
  const path = await Deno.makeTempDir();
  for (const [name, script] of Object.entries(programs)) {
    await Deno.writeTextFile(`${path}/${name}`, `#!/bin/sh\ncd ${path}\n${script}\n`, {
      mode: 0o755,
    });
  }
  return {
    path,
    read: (name) => Deno.readTextFile(`${path}/${name}`),
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

// Notes its calls and the policy of that moment; "installs" a server, slowly.
const APT_GET = `echo "$DEBIAN_FRONTEND $*" >> calls
cat policy >> calls 2>/dev/null
[ "$1" = install ] || exit 0
sleep 0.2
printf '#!/bin/sh\\n' > redis-server
chmod +x redis-server`;

Deno.test("which() finds the first of the names that is executable", async () => {
  await using a = await machine({ "valkey-server": "" });
  await using b = await machine({ "redis-server": "", "valkey-server": "" });
  await Deno.writeTextFile(`${a.path}/redis-server`, "no program", { mode: 0o644 });
  const path = `${a.path}:${b.path}`;
  assertEquals(
    await which(["redis-server", "valkey-server"], path),
    `${b.path}/redis-server`,
  );
  assertEquals(
    await which(["valkey-server", "redis-server"], path),
    `${a.path}/valkey-server`,
  );
  assertEquals(await which(["redis-cli"], path), undefined);
});

Deno.test("ensureRedisServer() takes what REDIS_SERVER names, or says that it cannot", async () => {
  await using a = await machine({ "redis-server": "", "mine": "" });
  const server = `${a.path}/mine`;
  assertEquals(await ensureRedisServer({ path: a.path, server }), server);
  await assertRejects(
    () => ensureRedisServer({ path: a.path, server: "/no/such/server" }),
    Error,
    `REDIS_SERVER names "/no/such/server", which is not an executable file`,
  );
});

Deno.test("ensureRedisServer() falls back to valkey-server", async () => {
  await using a = await machine({ "valkey-server": "" });
  assertEquals(
    await ensureRedisServer({ path: a.path, server: "" }),
    `${a.path}/valkey-server`,
  );
});

Deno.test("ensureRedisServer() says what to install where it may not or cannot", async () => {
  await using bare = await machine({});
  await assertRejects(
    () => ensureRedisServer({ path: bare.path, server: "", mayInstall: true }),
    Error,
    "Cannot find a Redis server on PATH: install redis-server or valkey-server",
  );
  await using debian = await machine({ "apt-get": APT_GET });
  await assertRejects(
    () => ensureRedisServer({ path: debian.path, server: "", mayInstall: false }),
    Error,
    "Cannot find a Redis server on PATH",
  );
  await assertRejects(() => debian.read("calls"), Deno.errors.NotFound);
});

Deno.test("ensureRedisServer() installs once for two at a time, its service forbidden", async () => {
  await using debian = await machine({ "apt-get": APT_GET });
  const options = {
    path: debian.path,
    server: "",
    mayInstall: true,
    lockFile: `${debian.path}/lock`,
    policyFile: `${debian.path}/policy`,
  };
  const servers = await Promise.all([
    ensureRedisServer(options),
    ensureRedisServer(options),
  ]);
  assertEquals(servers, Array(2).fill(`${debian.path}/redis-server`));
  const policy = "#!/bin/sh\nexit 101\n";
  assertEquals(
    await debian.read("calls"),
    `noninteractive update\n${policy}` +
      `noninteractive install -y --no-install-recommends redis-server\n${policy}`,
  );
  await assertRejects(() => debian.read("policy"), Deno.errors.NotFound);
});

Deno.test("ensureRedisServer() keeps the machine's own policy, and tells why apt-get failed", async () => {
  await using debian = await machine({
    "apt-get": `[ "$1" = update ] || { echo "E: no space left" >&2; exit 100; }`,
    "policy": "exit 0",
  });
  const policy = await debian.read("policy");
  const error = await assertRejects(
    () =>
      ensureRedisServer({
        path: debian.path,
        server: "",
        mayInstall: true,
        lockFile: `${debian.path}/lock`,
        policyFile: `${debian.path}/policy`,
      }),
    Error,
    "apt-get install ended with code 100 (E: no space left)",
  );
  assert(!error.message.includes("\n"), "one sentence");
  assertEquals(await debian.read("policy"), policy);
});
