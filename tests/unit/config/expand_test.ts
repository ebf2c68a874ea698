import { assertEquals, assertStringIncludes } from "@std/assert";
import { configOf, onlyProblem, reveal } from "./support.ts";

const ENV = { NAME: "value", PORT: "7000", EMPTY: "", TRICK: "${NAME}", ON: "true" };

/** What a description in YAML is once its variables are filled in. */
const TEXTS: [yaml: string, expected: string | undefined][] = [
  ["${NAME}", "value"],
  ["a ${NAME} b ${NAME}", "a value b value"],
  ["${NAME:-other}", "value"],
  ["${NONE:-other}", "other"],
  ["${EMPTY:-other}", "other"],
  ["${NONE:-a:-b}", "a:-b"],
  ["${NONE:-}", undefined],
  ["x${NONE:-}y", "xy"],
  ["$${NAME}", "${NAME}"],
  ["$${NAME} ${NAME}", "${NAME} value"],
  ["${TRICK}", "${NAME}"],
  ["$NAME", "$NAME"],
  ["$5 and {x}", "$5 and {x}"],
];

Deno.test("load() fills in variables in texts", () => {
  for (const [text, expected] of TEXTS) {
    const config = configOf(`databases: {a: {description: '${text}'}}`, ENV);
    assertEquals(config.databases.a!.description, expected, text);
  }
});

Deno.test("load() fills in variables where numbers, truths, secrets and nodes stand", async () => {
  const config = configOf(
    "databases: {a: {db: '${NONE:-3}'}}\nport: ${PORT}\nretry_writes: ${ON}\n" +
      "password: ${NAME}\nsocket_timeout: ${NONE:-2.5}\ntls: {enabled: '${ON}'}",
    ENV,
  );
  const { db, port, retryWrites, password, commandTimeoutMs, tls } = config.databases.a!;
  assertEquals([db, port, retryWrites, commandTimeoutMs, tls.enabled], [
    3,
    7000,
    true,
    2500,
    true,
  ]);
  assertEquals(await reveal(password), "value");
  const cluster = configOf(
    "mode: cluster\nnodes: ['${NAME}:1', {host: '${NAME}', port: '${PORT}'}]\n" +
      "databases: {a: }",
    ENV,
  );
  assertEquals(cluster.databases.a!.nodes, [
    { host: "value", port: 1 },
    { host: "value", port: 7000 },
  ]);
});

Deno.test("load() refuses a variable that is not set, by its name and place", () => {
  assertEquals(
    onlyProblem(() => configOf("\nport: ${NONE}")),
    'yaml text:2:7: port: environment variable "NONE" is not set; set it, or write ' +
      "${NONE:-default}",
  );
  assertStringIncludes(
    onlyProblem(() =>
      configOf("port: ${NONE}", (name) => {
        if (name === "NONE") throw new Deno.errors.NotCapable("no");
        return undefined;
      })
    ),
    'environment variable "NONE" may not be read; run with --allow-env=NONE',
  );
});

Deno.test("load() refuses a ${ that starts no variable", () => {
  for (const text of ["${", "${}", "${1A}", "${A-b}", "${A:?b}", "${a b}", "${NAME"]) {
    assertStringIncludes(
      onlyProblem(() => configOf(`username: '${text}'`, ENV)),
      "found ${ that starts no variable",
      text,
    );
  }
});

Deno.test("load() checks what a variable holds like any other value", () => {
  assertEquals(
    onlyProblem(() => configOf("port: ${NAME}", ENV)),
    'yaml text:1:7: port: found "value", allowed: a whole number from 1 to 65535',
  );
});
