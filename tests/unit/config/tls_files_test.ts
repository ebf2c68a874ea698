import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type ManagerOptions, RedisConfigLoader } from "../../../src/config/mod.ts";
import { configOf, onlyProblem, PEM, pem, problemsOf, TempDir } from "./support.ts";

/** What may be wrong with a file, beside its being missing. */
const BAD: [content: string, reason: RegExp][] = [
  ["", /is empty$/],
  [" \n\n", /is empty$/],
  ["not a certificate\n", /holds no PEM, allowed: a certificate in PEM/],
  [PEM.key, /holds PEM, but no certificate, allowed: a certificate in PEM/],
  [PEM.certificate.slice(0, 60), /holds a certificate that is cut off or damaged$/],
  [pem("CERTIFICATE", ""), /holds a certificate that is cut off or damaged$/],
  [pem("CERTIFICATE", "MIIB?gMEBQYH"), /holds a certificate that is cut off or damaged$/],
  [PEM.certificate + PEM.certificate.slice(0, 50), /cut off or damaged$/],
];

/** The places in which files of TLS stand. */
const SENTINEL = "mode: sentinel\nsentinel_name: m\nnodes: ['localhost:1']\n";
const GROUPS: [group: string, before: string][] = [
  ["tls", ""],
  ["sentinel_tls", SENTINEL],
];

Deno.test("load() refuses a file of TLS that no connection can use, at construction", () => {
  using dir = new TempDir();
  const good = dir.write("good.pem", PEM.certificate);
  for (const [group, before] of GROUPS) {
    const problem = (settings: string) =>
      onlyProblem(() =>
        configOf(`databases: {a: , b: }\n${before}${group}: {enabled: true, ${settings}}`)
      );
    const missing = problem(`ca_file: ${dir.path}/none.pem`);
    assertStringIncludes(
      missing,
      `databases.a.${group}.ca_file: the file "${dir.path}/none`,
    );
    assertMatch(missing, /^yaml text:\d:\d+: .*cannot be read: it does not exist$/);
    for (const [content, reason] of BAD) {
      const file = dir.write("bad.pem", content);
      assertMatch(problem(`ca_file: ${file}`), reason);
    }
    const swapped = dir.write("swapped.pem", PEM.certificate);
    assertMatch(
      problem(`cert_file: ${good}, key_file: ${swapped}`),
      new RegExp(`${group}.key_file: .* holds PEM, but no private key`),
    );
    assertMatch(problem(`ca_file: ${dir.path}`), /cannot be read: it is a directory$/);
    assertMatch(problem("ca_file: /dev/zero"), /it is larger than allowed/);
  }
});

Deno.test("load() takes PEM files as tools write them", () => {
  using dir = new TempDir();
  const text = "Certificate:\n    Data:\n        Version: 3 (0x2)\n";
  const certificates = [
    PEM.certificate,
    `# a bundle\r\n${PEM.certificate.replaceAll("\n", "\r\n")}\r\n${PEM.certificate}`,
    `${text}${PEM.certificate}`,
    pem("TRUSTED CERTIFICATE"),
    pem("CERTIFICATE", "MIIBAgMEBQYHCA=="),
    PEM.key + PEM.certificate,
  ];
  const keys = [
    PEM.key,
    pem("RSA PRIVATE KEY"),
    pem("EC PARAMETERS", "BggqhkjOPQMBBw==") + pem("EC PRIVATE KEY"),
    pem("ENCRYPTED PRIVATE KEY"),
    pem(
      "RSA PRIVATE KEY",
      "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00FF\n\nMIIBAgME",
    ),
  ];
  for (const certificate of certificates) {
    for (const key of keys) {
      const [caFile, keyFile] = [
        dir.write("c.pem", certificate),
        dir.write("k.pem", key),
      ];
      RedisConfigLoader.fromOptions({
        tls: { enabled: true, caFile, certFile: caFile, keyFile },
      });
    }
  }
  const system = "/etc/ssl/certs/ca-certificates.crt";
  if (Deno.statSync("/etc/ssl").isDirectory && exists(system)) {
    configOf(`tls: {enabled: true, ca_file: ${system}}`);
  }
});

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

Deno.test("load() leaves files of TLS alone where TLS is not spoken", () => {
  for (
    const yaml of [
      "tls: {ca_file: /none.pem}",
      "tls: {enabled: true, ca_file: /none.pem}\nunix_socket: /r",
      "sentinel_tls: {enabled: true, ca_file: /none.pem}",
    ]
  ) configOf(`databases: {a: }\n${yaml}`);
});

Deno.test("a manager's options and databases added later are held to the same", () => {
  using dir = new TempDir();
  const options: ManagerOptions = { tls: { enabled: true, caFile: `${dir.path}/none` } };
  assertMatch(
    onlyProblem(() => RedisConfigLoader.fromOptions(options)),
    /^overrides: databases.main.tls.caFile: .* it does not exist$/,
  );
  const config = configOf("databases: {a: }");
  assertEquals(
    problemsOf(() => config.resolveDatabase("b", options)).map(({ key }) => key),
    ["databases.b.tls.caFile"],
  );
});

Deno.test("load() honours AUTOBOT_TLS_* wherever the environment switches TLS on", () => {
  using dir = new TempDir();
  const file = dir.write("ca.pem", PEM.certificate);
  const key = dir.write("key.pem", PEM.key);
  const files = {
    AUTOBOT_TLS_CA_PATH: file,
    AUTOBOT_TLS_CERT_PATH: file,
    AUTOBOT_TLS_KEY_PATH: key,
  };
  const expected = {
    enabled: true,
    verify: true,
    caFile: file,
    certFile: file,
    keyFile: key,
  };
  for (
    const env of [
      { REDIS_URL: "rediss://h" },
      { REDIS_TLS: "true" },
      { AUTOBOT_REDIS_TLS_ENABLED: "true" },
      { AUTOBOT_REDIS_TLS_ENABLED: "false", REDIS_URL: "rediss://h" },
      { REDIS_A_URL: "rediss://h" },
    ] as Record<string, string>[]
  ) {
    const config = configOf("databases: {a: }", { ...files, ...env });
    assertEquals(config.databases.a!.tls as object, expected, JSON.stringify(env));
    assertEquals(config.origin("databases.a.tls.caFile"), "env AUTOBOT_TLS_CA_PATH");
  }
  // One database's URL speaks for that one alone; a file's own choice stays its own.
  const config = configOf("databases: {a: , b: {tls: true}, c: }", {
    ...files,
    REDIS_A_URL: "rediss://h",
  });
  const { a, b, c } = config.databases;
  assertEquals([a!.tls.caFile, b!.tls.caFile, c!.tls.caFile], [
    file,
    undefined,
    undefined,
  ]);
  assertEquals(config.warnings.filter((one) => one.includes("not enabled")), []);
  assertMatch(
    onlyProblem(() =>
      configOf("databases: {a: }", {
        REDIS_URL: "rediss://h",
        AUTOBOT_TLS_CA_PATH: `${dir.path}/none`,
      })
    ),
    /^env AUTOBOT_TLS_CA_PATH: databases.a.tls.ca_file: .* it does not exist$/,
  );
});
