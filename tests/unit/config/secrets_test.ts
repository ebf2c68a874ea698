import { assert, assertEquals, assertFalse } from "@std/assert";
import { inspect } from "node:util";
import { RedisConfigLoader } from "../../../src/config/mod.ts";
import { configOf, errorOf, reveal } from "./support.ts";

const SECRET = "hunter2";

/** Everything that a value shows of itself. */
function shown(value: unknown): string {
  return [
    Deno.inspect(value, { depth: 20, showHidden: true }),
    inspect(value, { depth: 20, showHidden: true }),
    JSON.stringify(value),
    value instanceof Object ? String(value) : "",
    value instanceof Error ? `${value.stack} ${Deno.inspect(value.cause)}` : "",
  ].join("\n");
}

Deno.test("a configuration shows no password, wherever it came from", async () => {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, SECRET);
    const configs = [
      configOf(`databases: {a: {password: ${SECRET}}}`),
      configOf(`databases: {a: {url: 'redis://u:${SECRET}@h'}}`),
      configOf(`databases: {a: {password_file: ${file}}}`),
      configOf("databases: {a: {password: '${PW}'}}", { PW: SECRET }),
      configOf("databases: {a: }", { REDIS_PASSWORD: SECRET }),
      configOf("databases: {a: }", { REDIS_URL: `redis://:${SECRET}@h` }),
      configOf("databases: {a: }", { REDIS_A_URL: `rediss://:${SECRET}@h` }),
      configOf("databases: {a: }", {}, { password: SECRET }),
      configOf("databases: {a: }", {}, { password: () => SECRET }),
    ];
    for (const config of configs) {
      const { a } = config.databases;
      assertEquals(await reveal(a!.password), SECRET);
      const all = [config, a, config.explain(), config.warnings, config.databases];
      for (const one of all) assertFalse(shown(one).includes(SECRET), shown(one));
      assert(shown(a).includes("***"));
      await a!.password!.reveal();
      assertFalse(shown(config).includes(SECRET));
    }
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("a partial configuration shows no password", () => {
  const partials = [
    RedisConfigLoader.fromYaml(`password: ${SECRET}`, "x", {}),
    RedisConfigLoader.fromEnv({ REDIS_URL: `redis://:${SECRET}@h` }),
  ];
  for (const partial of partials) assertFalse(shown(partial).includes(SECRET));
});

Deno.test("a ConfigError shows no password beside what is wrong", () => {
  const errors = [
    errorOf(() => configOf(`password: ${SECRET}\nport: abc`)),
    errorOf(() => configOf("port: abc", { REDIS_PASSWORD: SECRET })),
    errorOf(() => configOf("", { REDIS_URL: `redis://:${SECRET}@h:port` })),
    errorOf(() => configOf("", {}, { password: SECRET, url: `redis://:${SECRET}@h:x` })),
    errorOf(() => configOf(`password: {a: ${SECRET}}`)),
    errorOf(() => configOf("password: '${NONE}'", { OTHER: SECRET })),
  ];
  for (const error of errors) assertFalse(shown(error).includes(SECRET), shown(error));
});
