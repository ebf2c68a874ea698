import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { RedisConfigLoader, type ServiceRegistry } from "../../../src/config/mod.ts";
import {
  chooseRecord,
  DnsServiceRegistry,
  HttpServiceRegistry,
} from "../../../src/config/registries.ts";
import { ConfigError } from "../../../src/core/errors/base.ts";
import { onlyProblem, reveal } from "./support.ts";

const BASE = { yamlText: "databases: {main: }", env: {} };

/** A registry that answers so. */
function answering(answer: () => unknown, label?: string): ServiceRegistry {
  return {
    ...(label === undefined ? {} : { label }),
    getServiceConfig: () => answer() as ReturnType<ServiceRegistry["getServiceConfig"]>,
  };
}

Deno.test("load() takes host, port and password from a registry", async () => {
  const names: string[] = [];
  const registry: ServiceRegistry = {
    label: "consul",
    getServiceConfig: (name) => {
      names.push(name);
      return Promise.resolve({ host: "r", port: 7000, password: "pw", username: "u" });
    },
  };
  const config = await RedisConfigLoader.load({ ...BASE, registry });
  const { main } = config.databases;
  assertEquals(names, ["redis"]);
  assertEquals([main!.host, main!.port, main!.username], ["r", 7000, "u"]);
  assertEquals(await reveal(main!.password), "pw");
  assertEquals(config.origin("databases.main.host"), "consul");
});

Deno.test("load() ignores what a registry says beside that", async () => {
  const registry = answering(() => ({ host: "r", port: 1, scheme: "http", weight: 3 }));
  const config = await RedisConfigLoader.load({ ...BASE, registry });
  assertEquals(config.databases.main!.port, 1);
});

/** Registries that are of no use, and the warning. */
const USELESS: [answer: () => unknown, warning: string][] = [
  [() => undefined, 'service registry: it knows no service "redis"; going on without it'],
  [() => null, 'service registry: it knows no service "redis"; going on without it'],
  [() => {
    throw new TypeError("token hunter2");
  }, "service registry: it failed with TypeError; going on without it"],
  [
    () => Promise.reject(new Error("token hunter2")),
    "service registry: it failed with Error; going on without it",
  ],
  [
    () => Promise.reject("hunter2"),
    "service registry: it failed; going on without it",
  ],
];

Deno.test("load() goes on, with a warning, without a registry that fails", async () => {
  for (const [answer, warning] of USELESS) {
    const registry = answering(answer);
    const config = await RedisConfigLoader.load({ ...BASE, registry });
    assertEquals(config.warnings, [warning]);
    assertEquals(config.databases.main!.host, "localhost");
  }
});

Deno.test("load() does not wait for a registry that is slow, and tells it so", async () => {
  let aborted = false;
  const registry: ServiceRegistry = {
    getServiceConfig: (_, request) =>
      new Promise(() => request!.signal!.addEventListener("abort", () => aborted = true)),
  };
  const config = await RedisConfigLoader.load({
    ...BASE,
    registry,
    registryTimeoutMs: 50,
  });
  assertEquals(config.warnings, [
    "service registry: no answer within 50 ms; going on without it",
  ]);
  assert(aborted);
});

Deno.test("load() refuses an answer that is wrong", async () => {
  for (
    const [answer, message] of [
      [
        { host: "r", port: "7000" },
        'port: found "7000", allowed: a whole number from 1 ' +
        "to 65535",
      ],
      [
        { host: "a:1", port: 1 },
        'host: found "a:1", allowed: a host name or address ' +
        "without port or scheme",
      ],
      ["r:7000", 'found "r:7000", allowed: {host, port}'],
    ] as const
  ) {
    const registry = answering(() => answer);
    const error = await assertRejects(
      () => RedisConfigLoader.load({ ...BASE, registry }),
      ConfigError,
    );
    assertEquals(
      error.message,
      `Cannot use the configuration: service registry: ${message}`,
    );
  }
});

Deno.test("loadSync() takes an answer that is there at once, and refuses a later one", () => {
  const registry = answering(() => ({ host: "r", port: 7000 }));
  const config = RedisConfigLoader.loadSync({ ...BASE, registry });
  assertEquals(config.databases.main!.port, 7000);
  for (const later of [Promise.resolve(undefined), Promise.reject(new Error("x"))]) {
    assertEquals(
      onlyProblem(() =>
        RedisConfigLoader.loadSync({ ...BASE, registry: answering(() => later, "mine") })
      ),
      "mine: : the registry answers later; use RedisConfigLoader.load()",
    );
  }
  const failing = answering(() => {
    throw new Error("no");
  });
  const { warnings } = RedisConfigLoader.loadSync({ ...BASE, registry: failing });
  assertEquals(warnings, ["service registry: it failed with Error; going on without it"]);
});

Deno.test("fromServiceRegistry() gives the registry's settings, or its failure", async () => {
  const partial = await RedisConfigLoader.fromServiceRegistry(
    answering(() => ({ host: "r", port: 7000 }), "consul"),
  );
  assertEquals(partial.options, { host: "r", port: 7000 });
  assertEquals({ ...partial.origins }, { host: "consul", port: "consul" });
  const slow = answering(() => new Promise(() => {}));
  for (
    const [registry, message] of [
      [slow, "no answer within 20 ms"],
      [answering(() => Promise.reject(new Error("x"))), "it failed with Error"],
    ] as const
  ) {
    const error = await assertRejects(
      () => RedisConfigLoader.fromServiceRegistry(registry, 20),
      ConfigError,
    );
    assertEquals(error.problems[0]!.message, message);
  }
});

const record = (target: string, priority: number, weight: number) => ({
  target,
  priority,
  weight,
  port: 6379,
});

Deno.test("chooseRecord() takes the lowest priority, and inside it goes by weight", () => {
  const records = [record("c", 20, 100), record("a", 10, 1), record("b", 10, 3)];
  const chosen = [0, 0.2, 0.25, 0.3, 0.99].map((random) =>
    chooseRecord(records, random)!.target
  );
  assertEquals(chosen, ["a", "a", "b", "b", "b"]);
  assertEquals(chooseRecord([record("a", 1, 0), record("b", 1, 0)], 0.5)!.target, "b");
  assertEquals(chooseRecord([record("only", 1, 0)], 0)!.target, "only");
});

Deno.test("chooseRecord() takes no record of a service that is not there", () => {
  assertEquals(chooseRecord([], 0), undefined);
  assertEquals(chooseRecord([record(".", 0, 0)], 0), undefined);
});

Deno.test("the registries refuse options that cannot work", () => {
  for (const timeoutMs of [0, -1, NaN, Infinity, 2 ** 31]) {
    assertThrows(() => new DnsServiceRegistry({ domain: "x", timeoutMs }), RangeError);
    assertThrows(
      () => new HttpServiceRegistry({ url: "http://x", timeoutMs }),
      RangeError,
    );
  }
  for (const url of ["", "consul:8500", "ftp://x", "//x"]) {
    assertThrows(() => new HttpServiceRegistry({ url }), TypeError);
  }
});
