import { assertEquals, assertLess, assertRejects } from "@std/assert";
import { chooseRegistry, type Circumstances, probe } from "./registry.ts";

/** Circumstances in a folder of their own, and the probes that they have seen. */
async function circumstances(
  reachable: boolean,
): Promise<{ given: Circumstances; probes: string[] } & AsyncDisposable> {
  const folder = await Deno.makeTempDir();
  const probes: string[] = [];
  const given: Circumstances = {
    override: undefined,
    url: "https://jsr.test/",
    file: `${folder}/cache/registry.json`,
    day: "2026-01-31",
    probe: (url) => {
      probes.push(url);
      return Promise.resolve(reachable);
    },
  };
  return {
    given,
    probes,
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

Deno.test("chooseRegistry() takes JSR when the probe reaches it", async () => {
  await using world = await circumstances(true);
  assertEquals(await chooseRegistry(world.given), { kind: "jsr" });
  assertEquals(world.probes, ["https://jsr.test/"]);
});

Deno.test("chooseRegistry() takes the stand-ins when the probe fails", async () => {
  await using world = await circumstances(false);
  assertEquals(await chooseRegistry(world.given), { kind: "stand-ins" });
});

Deno.test("chooseRegistry() probes once a day and registry", async () => {
  await using world = await circumstances(false);
  const { given, probes } = world;
  await chooseRegistry(given);
  assertEquals(await chooseRegistry(given), { kind: "stand-ins" });
  assertEquals(probes.length, 1);
  await chooseRegistry({ ...given, day: "2026-02-01" });
  assertEquals(probes.length, 2);
  await chooseRegistry({ ...given, day: "2026-02-01", url: "https://other.test/" });
  assertEquals(probes, ["https://jsr.test/", "https://jsr.test/", "https://other.test/"]);
});

Deno.test("chooseRegistry() probes anew when the finding cannot be read", async () => {
  await using world = await circumstances(true);
  const { given, probes } = world;
  await chooseRegistry(given);
  await Deno.writeTextFile(given.file, "{");
  assertEquals(await chooseRegistry(given), { kind: "jsr" });
  assertEquals(probes.length, 2);
});

Deno.test("chooseRegistry() probes nothing when it is overridden", async () => {
  await using world = await circumstances(true);
  const { given, probes } = world;
  assertEquals(await chooseRegistry({ ...given, override: "jsr" }), { kind: "jsr" });
  assertEquals(
    await chooseRegistry({ ...given, override: "local" }),
    { kind: "stand-ins" },
  );
  const folder = await Deno.realPath(import.meta.dirname!);
  assertEquals(
    await chooseRegistry({ ...given, override: `${folder}/../jsr_fallback` }),
    { kind: "checkout", folder },
  );
  assertEquals(probes, []);
});

Deno.test("chooseRegistry() takes an empty override for none", async () => {
  await using world = await circumstances(true);
  assertEquals(
    await chooseRegistry({ ...world.given, override: "" }),
    { kind: "jsr" },
  );
  assertEquals(world.probes.length, 1);
});

Deno.test("chooseRegistry() says what an override may be", async () => {
  await using world = await circumstances(true);
  await assertRejects(
    () => chooseRegistry({ ...world.given, override: "/no/such/folder" }),
    Error,
    'MOORING_REGISTRY must be "jsr", "local", or the folder of a checkout of denoland/std: current value is "/no/such/folder"',
  );
});

/** A server on loopback, and its address. */
function serve(
  handler: (request: Request) => Response | Promise<Response>,
): { url: string } & AsyncDisposable {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, handler);
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("probe() is true when the registry lists versions", async () => {
  const asked: string[] = [];
  await using server = serve((request) => {
    asked.push(new URL(request.url).pathname);
    return Response.json({ latest: "1.5.0", versions: {} });
  });
  assertEquals(await probe(server.url), true);
  assertEquals(asked, ["/@std/async/meta.json"]);
});

Deno.test("probe() is false when something else answers", async () => {
  await using portal = serve(() => new Response("<html>Please log in</html>"));
  assertEquals(await probe(portal.url), false);
  await using broken = serve(() => Response.json({ versions: {} }, { status: 502 }));
  assertEquals(await probe(broken.url), false);
});

Deno.test("probe() is false when nothing listens", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  assertEquals(await probe(`http://127.0.0.1:${port}/`), false);
});

Deno.test("probe() is false when no answer comes within its limit", async () => {
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  await using server = serve(async () => {
    await ended;
    return Response.json({ versions: {} });
  });
  const started = performance.now();
  assertEquals(await probe(server.url, 50), false);
  assertLess(performance.now() - started, 30_000);
  end();
});
