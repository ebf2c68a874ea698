import { RedisConfigLoader, RedisConnectionManager } from "../../mod.ts";
import { VERSION } from "../core/version.ts";
import { GET_REDIS } from "./dev.ts";
import { requirePermissions } from "./permissions.ts";
import { CliExit, type CliIo, ExitCode, makePaint } from "./terminal.ts";

const CONFIG = "config/redis-databases.yaml";
const SERVICE = "service.ts";
/** How a command is run where nothing is installed. */
const CLI = "deno run -A jsr:@mooring/redis/cli";
/** Longest wait for the server, in milliseconds. */
const CONNECT_MS = 2000;

/** A service of ten lines; the name of the package is that of the folder's deno.json. */
const serviceText = (mooring: string) =>
  `import { RedisConnectionManager } from "${mooring}";

// Its databases are in ${CONFIG}.
const redis = new RedisConnectionManager();
const server = Deno.serve({ port: 8000 }, async (request) => {
  const { pathname } = new URL(request.url);
  // /healthz, /readyz and /metrics: for the inside of your network.
  if (pathname !== "/") return await redis.healthResponse(request);
  const visits = await redis.getClient("main").incr("visits");
  return new Response(\`visit \${visits}\\n\`);
});
Deno.addSignalListener("SIGINT", () => void server.shutdown());
await server.finished;
await redis.closeAll();
`;

/**
 * `init`: writes a configuration and a service to start from, and says what comes next. It
 * asks nothing, and leaves files that exist as they are.
 *
 * @param folder Where they go.
 * @throws {CliExit} If a permission is missing, or a file cannot be written.
 * @throws {ConfigError} If the configuration that exists is not valid.
 */
export async function runInit(io: CliIo, folder: string): Promise<void> {
  requirePermissions(
    "init",
    ...(["env", "net", "read", "write"] as const).map((name) => ({ name })),
  );
  const { bold, dim, green, yellow } = makePaint(io.useColor);
  const place = folder === "." ? "" : `${folder.replace(/\/+$/, "")}/`;
  const say = (wasWritten: boolean, file: string, what: string) =>
    io.out(
      wasWritten
        ? `${green("written")}  ${place}${file}  ${dim(what)}\n`
        : `${yellow("kept")}     ${place}${file}  ${dim("it was there already")}\n`,
    );
  const yamlPath = `${place}${CONFIG}`;
  const isNew = await RedisConfigLoader.writeDefaultConfig(yamlPath);
  say(isNew, CONFIG, "the databases; every setting in a comment");
  say(await writeService(place), SERVICE, "a service that counts visits");
  const problem = await findProblem(yamlPath);
  const steps = [
    ...(place === "" ? [] : [`cd ${place}`]),
    `deno run --allow-net --allow-env --allow-read ${SERVICE}`,
    "curl http://localhost:8000",
  ];
  if (problem === undefined) io.out("\nRedis answers. ");
  else {
    io.out(
      `\n${yellow("There is no Redis yet")}: ${problem}\n${GET_REDIS}` +
        `With redis-server installed, this starts one to try with, in its own terminal:\n` +
        `  ${bold(`${CLI} dev`)}\n\n`,
    );
  }
  io.out(`Next:\n${steps.map((step) => `  ${bold(step)}\n`).join("")}`);
}

/** Whether the service was written: not where a file is there already. */
async function writeService(place: string): Promise<boolean> {
  const texts = await Promise.all(
    ["deno.json", "deno.jsonc"].map((name) =>
      Deno.readTextFile(`${place}${name}`).catch(() => "")
    ),
  );
  const isAdded = texts.some((text) => text.includes('"@mooring/redis"'));
  const name = isAdded ? "@mooring/redis" : `jsr:@mooring/redis@^${VERSION}`;
  try {
    await Deno.writeTextFile(`${place}${SERVICE}`, serviceText(name), {
      createNew: true,
    });
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    const reason = (error as Error).message;
    throw new CliExit(ExitCode.FAILED, `Cannot write ${place}${SERVICE}: ${reason}`);
  }
}

/** Why the server of the configuration cannot be used; `undefined` if it can. */
async function findProblem(yamlPath: string): Promise<string | undefined> {
  const config = await RedisConfigLoader.load({
    yamlPath,
    overrides: { connectRetry: { attempts: 1 }, connectTimeoutMs: CONNECT_MS },
  });
  await using manager = new RedisConnectionManager(config);
  const [first = "main"] = Object.keys(config.databases);
  try {
    await manager.getAsyncClient(first, { signal: AbortSignal.timeout(2 * CONNECT_MS) });
    return undefined;
  } catch (error) {
    const { lastError } = manager.getHealthStatus().databases[first]!;
    return lastError ?? (error as Error).message;
  }
}
