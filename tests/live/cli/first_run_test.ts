import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { configArgs } from "../../support/child_config.ts";
import { freePort } from "../../../src/testing/ports.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { RespClient } from "../../../src/testing/resp_client.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { runCli, startCli } from "./_run.ts";

/** Runs with a folder that is removed. */
async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("init writes a configuration and a service that runs; files that exist stay", () =>
  inFolder(async (folder) => {
    await using server = await RedisServer.start();
    const env = { NO_COLOR: "1", REDIS_URL: server.url };
    const { code, err, out } = await runCli(["init", folder], ["-A"], env);
    assertEquals([code, err], [0, ""], out);
    assertStringIncludes(out, "Redis answers. Next:\n");
    const command = /^ {2}deno run (--allow.*) service\.ts$/m.exec(out)?.[1];
    assert(command !== undefined, out);
    const yaml = `${folder}/config/redis-databases.yaml`;
    assertEquals((await runCli(["config", "check", yaml])).code, 0);

    const service = `${folder}/service.ts`;
    const text = await Deno.readTextFile(service);
    assertMatch(text, /from "jsr:@mooring\/redis@\^\d/);
    const port = freePort();
    // The port of the text may be taken on this machine; the rest is run as it is.
    await Deno.writeTextFile(service, text.replace("8000", String(port)));
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", ...configArgs(), ...command.split(" "), "service.ts"],
      cwd: folder,
      env,
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const visit = async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
      const text = await answer?.text();
      return answer?.ok ? Number(/^visit (\d+)\n$/.exec(text!)?.[1]) : 0;
    };
    // Not at once: on a busy machine the first command may meet its deadline.
    const visits: number[] = [];
    await waitFor(async () => {
      const count = await visit();
      return count > 0 && visits.push(count) === 2;
    }, { timeoutMs: 60_000, what: "two visits" });
    assert(visits[0]! < visits[1]!, `${visits}`);
    const ready = await fetch(`http://127.0.0.1:${port}/readyz`);
    assertEquals([ready.status, (await ready.json()).status], [200, "ready"]);
    child.kill("SIGINT");
    assertEquals((await child.output()).code, 0);

    await Deno.writeTextFile(yaml, "databases: { mine: {} }\n");
    await Deno.writeTextFile(service, "// mine\n");
    const again = await runCli(["init", folder], ["-A"], env);
    assertEquals([again.code, again.out.match(/^kept /gm)?.length], [0, 2], again.out);
    assertEquals(await Deno.readTextFile(yaml), "databases: { mine: {} }\n");
    assertEquals(await Deno.readTextFile(service), "// mine\n");
  }));

Deno.test("init uses the name of deno.json, and without a Redis says how to get one", () =>
  inFolder(async (folder) => {
    const json = { imports: { "@mooring/redis": "jsr:@mooring/redis@^0.1.0" } };
    await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify(json));
    const env = { NO_COLOR: "1", REDIS_URL: `redis://127.0.0.1:${freePort()}` };
    const { code, out } = await runCli(["init", folder], ["-A"], env);
    assertEquals(code, 0, out);
    assertMatch(out, /There is no Redis yet: 127\.0\.0\.1:\d+: connection refused/);
    for (
      const way of ["apt install", "brew install", "docker run", "rediss://", "cli dev"]
    ) {
      assertStringIncludes(out, way);
    }
    const text = await Deno.readTextFile(`${folder}/service.ts`);
    assertStringIncludes(text, 'from "@mooring/redis"');
    const denied = await runCli(["init", folder], ["--allow-env"]);
    assertEquals(denied.code, 2);
    assertStringIncludes(denied.err, "--allow-net --allow-read --allow-write");
  }));

/** Text that a process writes, as it comes. */
class Said {
  text = "";

  constructor(stream: ReadableStream<Uint8Array>) {
    void this.#read(stream);
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const part of stream.pipeThrough(new TextDecoderStream())) {
      this.text += part;
    }
  }
}

Deno.test("dev runs a server that is empty, starts a dead one again, and ends it at SIGINT", async () => {
  const port = freePort();
  const child = startCli(["dev", "--port", String(port)]);
  const [out, err] = [new Said(child.stdout), new Said(child.stderr)];
  const within = { timeoutMs: 60_000 };
  const starts = () => out.text.match(/REDIS_URL=.*\n/g)?.length ?? 0;
  try {
    await waitFor(() => starts() === 1, within);
    assertStringIncludes(out.text, `export REDIS_URL=redis://127.0.0.1:${port}\n`);
    const ask = async (...words: string[]) => {
      using client = await RespClient.connect({ hostname: "127.0.0.1", port });
      return await client.send(...words);
    };
    assertEquals(await ask("CONFIG", "GET", "save"), ["save", ""]);
    const pidOf = async () =>
      Number(/process_id:(\d+)/.exec(String(await ask("INFO", "server")))?.[1]);
    const first = await pidOf();
    Deno.kill(first, "SIGKILL");
    await waitFor(() => starts() === 2, within);
    await waitFor(() => err.text.includes("The server died"), within);
    const second = await pidOf();
    assert(second !== first && second > 0);
    child.kill("SIGINT");
    assertEquals((await child.status).code, 0);
    // It waits for its server.
    await Deno.stat(`/proc/${second}`).then(
      () => assert(Deno.build.os !== "linux", "the server still runs"),
      () => {},
    );
    assertEquals(starts(), 2);
  } finally {
    try {
      child.kill("SIGINT");
    } catch {
      // It has ended.
    }
    await child.status;
  }
});

Deno.test("dev takes another port where its own is taken, and without a program says how to get one", async () => {
  await using other = await RedisServer.start();
  const child = startCli(["dev", "--port", String(other.port)]);
  const [out, err] = [new Said(child.stdout), new Said(child.stderr)];
  await waitFor(() => out.text.includes("REDIS_URL"), { timeoutMs: 60_000 });
  child.kill("SIGTERM");
  assertEquals((await child.status).code, 0);
  await waitFor(() => err.text.includes(`Port ${other.port} is in use`), {
    timeoutMs: 60_000,
  });
  assertEquals(out.text.includes(`:${other.port}`), false, out.text);
  assertEquals(await other.cli("PING"), "PONG");

  const env = { PATH: "/nowhere", REDIS_SERVER: "", NO_COLOR: "1" };
  const without = await runCli(["dev"], ["-A"], env);
  assertEquals(without.code, 2);
  assertMatch(without.err, /^Cannot find a Redis server on PATH: /m);
  assertStringIncludes(without.err, "apt install redis-server");
});
