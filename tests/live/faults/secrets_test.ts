import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { inspect } from "node:util";
import {
  AuthError,
  ConfigError,
  type Logger,
  type ManagerEventMap,
  type ManagerExtras,
  type ManagerOptions,
  RedisConnectionManager,
  Secret,
} from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { RecordingTelemetry } from "../../support/recording_telemetry.ts";
import { runChild } from "./_child.ts";
import { report } from "./_report.ts";
import { onStage, QUICK_RETRY, type Stage } from "./_stage.ts";

const SECRET = "s3cret-hunter2";
const WRONG = "s3cret-wr0ng";

/** Everything that a program may print of a value. */
function faces(value: unknown): string[] {
  const texts = [
    () => Deno.inspect(value, { depth: 20, showHidden: true, getters: true }),
    () => inspect(value, { depth: 20, showHidden: true, getters: true }),
    () => String(value),
    () => JSON.stringify(value) ?? "",
  ].map(textOf);
  if (value instanceof Error) texts.push(value.stack ?? "", ...faces(value.cause));
  return texts;
}

function textOf(print: () => string): string {
  try {
    return print();
  } catch (error) {
    // Circular, or a lease that is over: then that is what is printed.
    return Deno.inspect(error);
  }
}

function assertHidden(values: readonly unknown[]): void {
  for (const value of values) {
    for (const text of faces(value)) {
      assert(!text.includes("s3cret"), text.slice(0, 3000));
    }
  }
}

/** Runs it, and gives all that it printed on the console. */
async function printedBy(run: () => Promise<void>): Promise<string[]> {
  const printed: string[] = [];
  const levels = ["log", "info", "debug", "warn", "error"] as const;
  const original = { ...console };
  for (const level of levels) {
    console[level] = (...args: unknown[]) => void printed.push(inspect(args));
  }
  try {
    await run();
  } finally {
    Object.assign(console, original);
  }
  return printed;
}

const EVENTS: (keyof ManagerEventMap)[] = [
  ...["statechange", "breaker", "connection", "leak", "loading", "gap"] as const,
  ...["handlererror", "failover", "warning"] as const,
];

/** Keeps what a manager logs and reports. */
function keepers(seen: unknown[]): ManagerExtras & { telemetry: object } {
  const keep = (...line: unknown[]) => void seen.push(line);
  const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep };
  const recorded = new RecordingTelemetry();
  seen.push(recorded.spans, recorded);
  return { logger, telemetry: { api: recorded.api, queryText: "masked" } };
}

/** What a manager shows of itself, whatever it has been through. */
async function showAll(manager: RedisConnectionManager): Promise<unknown[]> {
  const paths = ["/healthz", "/readyz", "/metrics"];
  const answers = paths.map(async (path) => {
    const request = new Request(`http://localhost${path}`);
    return await (await manager.healthResponse(request)).text();
  });
  return [
    ...[manager, manager.config, manager.config.explain(), manager.warnings],
    ...[manager.getClient("main"), await manager.healthCheck()],
    ...[manager.getStatistics(), manager.getHealthStatus(), manager.listDatabases()],
    ...[manager.getPoolStatistics("main"), manager.getMetrics("main")],
    ...[manager.toPrometheus(), ...await Promise.all(answers)],
  ];
}

/** Commands that fail in every way there is; gives what each failed with. */
async function fail({ server, relay, manager }: Stage): Promise<unknown[]> {
  const client = manager.getClient("main");
  const errors: unknown[] = [];
  const keep = async (failing: Promise<unknown>) => {
    errors.push(await failing.then(() => undefined, (error) => error));
  };
  const lease = await manager.acquire("main");
  await lease.client.ping();
  errors.push(lease, lease.client);
  await keep(lease.client.auth("default", WRONG));
  await keep(lease.client.call("HELLO", "3", "AUTH", "default", WRONG));
  await keep(manager.acquire("main", { timeoutMs: 10 }));
  lease.release();
  await keep(client.lpush("k", WRONG));
  await keep(client.call("AUTH", WRONG));
  // What the server does not know or like it quotes.
  await keep(client.call("ATUH", WRONG));
  await keep(client.call("ACL", "SETUSER", "bob", `<${WRONG}`));
  await keep(client.multi().call("ATUH", WRONG).exec());
  await keep(manager.transaction("main", (tx) => void tx.call("ATUH", WRONG)));
  await keep(client.eval("return redis.error_reply('ERR ' .. #ARGV[1])", 0, WRONG));
  await keep(manager.pipeline("main", (p) => void p.lpush("k", WRONG)));
  await keep(manager.transaction("main", (tx) => void tx.lpush("k", WRONG)));
  server.pause();
  await keep(client.with({ timeoutMs: 500 }).set("k", WRONG));
  server.resume();
  await server.cli("CONFIG", "SET", "requirepass", "another");
  for (const connection of relay.connections) connection.end();
  // What ended in between may have opened the breaker before anybody was refused.
  for (let i = 0; i < 50 && !(errors.at(-1) instanceof AuthError); i++) {
    manager.resetCircuitBreaker("main");
    await keep(client.incr("n"));
  }
  for (let i = 0; i < 8; i++) await keep(client.incr("n"));
  return errors;
}

Deno.test("after use of a password it appears nowhere, whatever fails", async () => {
  const seen: unknown[] = [];
  const errors: unknown[] = [];
  const printed = await printedBy(() =>
    onStage({
      manager: {
        password: SECRET,
        commandTimeoutMs: 20_000,
        circuitBreakerThreshold: 3,
        databases: { main: { db: 0, maxConnections: 2 } },
        ...keepers(seen),
      },
      server: { password: SECRET },
    }, async (stage) => {
      const { manager } = stage;
      for (const type of EVENTS) {
        manager.addEventListener(type, ({ detail }) => seen.push(detail));
      }
      await manager.getClient("main").set("k", "v");
      seen.push(...await showAll(manager));
      errors.push(...await fail(stage));
      seen.push(...errors, ...await showAll(manager));
      await manager.closeAll();
      seen.push(manager);
    })
  );
  const names = new Set(errors.map((error) => error instanceof Error ? error.name : ""));
  for (
    const name of [
      ...["ReplyError", "CommandRefusedError", "AcquireTimeoutError", "PipelineError"],
      ...["TransactionError", "CommandTimeoutError", "AuthError"],
    ]
  ) assert(names.has(name), `no ${name} among ${[...names]}`);
  assertHidden([...seen, ...printed]);
});

Deno.test("nor does one that is wrong, however it is given", async () => {
  await using server = await RedisServer.start({ password: SECRET });
  const { host, port } = server;
  const passwordFile = `${server.dir}/password`;
  await Deno.writeTextFile(passwordFile, WRONG, { mode: 0o600 });
  const given: ManagerOptions[] = [
    { host, port, password: WRONG },
    { host, port, password: new Secret(WRONG) },
    { host, port, password: () => WRONG },
    { host, port, password: () => ({ username: "app", password: WRONG }) },
    { host, port, passwordFile },
    { url: `redis://:${WRONG}@${host}:${port}` },
    { url: `redis://app:${WRONG}@${host}:${port}?socket_timeout=3` },
  ];
  for (const options of given) {
    const seen: unknown[] = [];
    await using manager = new RedisConnectionManager({
      ...options,
      ...keepers(seen),
      connectRetry: QUICK_RETRY,
      databases: { main: { db: 0 } },
    });
    const error = await manager.getAsyncClient("main").catch((error) => error);
    assertInstanceOf(error, AuthError);
    assertHidden([...seen, error, ...await showAll(manager)]);
  }
  const broken: [make: () => unknown, says: string][] = [
    [() => managerOf({ url: `redis://:${WRONG}@h:port` }), "url"],
    [() => managerOf({ url: `http://:${WRONG}@h` }), "url"],
    [() => managerOf({ host: `redis://:${WRONG}@h` }), "host"],
    [() => managerOf({ port: `:${WRONG}@h` as unknown as number }), "port"],
    [() => managerOf({ password: { [WRONG]: 1 } as unknown as string }), "password"],
  ];
  for (const [make, key] of broken) {
    try {
      make();
      throw new Error(`${key} was taken`);
    } catch (error) {
      assertInstanceOf(error, ConfigError);
      assert(error.key.endsWith(key), error.key);
      assertHidden([error]);
    }
  }
});

function managerOf(options: ManagerOptions): RedisConnectionManager {
  return new RedisConnectionManager({ ...options, databases: { main: { db: 0 } } });
}

Deno.test("ioredis' own debug output shows no credentials of ours", async () => {
  await using server = await RedisServer.start({ password: SECRET });
  const { port } = server;
  const options = JSON.stringify({ port, username: "default", password: SECRET });
  const { text } = await runChild("_permission_child.ts", [options], {
    env: { DEBUG: "ioredis:*" },
  });
  assert(text.startsWith("PONG"), text);
  assert(/ioredis:redis write command.*hello/i.test(text), text);
  assertEquals(text.includes(SECRET), false, text);
  await report({ row: 34, fault: "secrets", outcome: "shown nowhere" });
});
