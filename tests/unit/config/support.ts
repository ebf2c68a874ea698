/**
 * What the tests of the configuration share.
 *
 * @module
 */

import { assertInstanceOf, fail } from "@std/assert";
import {
  type EnvSource,
  type ManagerConfig,
  type ManagerOptions,
  RedisConfigLoader,
} from "../../../src/config/mod.ts";
import { ConfigError, type ConfigProblem } from "../../../src/core/errors/config.ts";
import type { Secret } from "../../../src/core/secret.ts";

/** The file of 14 databases that the seed's users have. */
export const FOURTEEN = new URL("fixtures/fourteen-databases.yaml", import.meta.url);

/** A configuration out of a text, an environment and overrides alone. */
export function configOf(
  yamlText: string,
  env: EnvSource = {},
  overrides: ManagerOptions = {},
): ManagerConfig {
  return RedisConfigLoader.loadSync({ yamlText, env, overrides });
}

/** What is wrong with a configuration; fails if nothing is. */
export function problemsOf(make: () => unknown): readonly ConfigProblem[] {
  return errorOf(make).problems;
}

/** The error of a configuration; fails if there is none. */
export function errorOf(make: () => unknown): ConfigError {
  try {
    make();
  } catch (error) {
    assertInstanceOf(error, ConfigError);
    return error;
  }
  fail("Expected a ConfigError");
}

/** The one thing that is wrong with a configuration, as one text. */
export function onlyProblem(make: () => unknown): string {
  const problems = problemsOf(make);
  if (problems.length !== 1) {
    fail(`Expected one problem: ${JSON.stringify(problems, null, 2)}`);
  }
  const { origin, key, message } = problems[0]!;
  return `${origin}: ${key}: ${message}`;
}

/** A password in the clear. */
export async function reveal(secret: Secret | undefined): Promise<string | undefined> {
  return await secret?.reveal();
}

/** A directory that goes away with the test. */
export class TempDir {
  readonly path = Deno.makeTempDirSync();

  write(name: string, content: string | Uint8Array, mode = 0o600): string {
    const file = `${this.path}/${name}`;
    Deno.mkdirSync(file.replace(/\/[^/]*$/, ""), { recursive: true });
    const bytes = typeof content === "string"
      ? new TextEncoder().encode(content)
      : content;
    Deno.writeFileSync(file, bytes);
    Deno.chmodSync(file, mode);
    return file;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** Files of TLS by their looks: what is in them is never used. */
export const PEM = {
  certificate: pem("CERTIFICATE"),
  key: pem("PRIVATE KEY"),
};

/** A PEM block. */
export function pem(label: string, body: string = "MIIBAgMEBQYH\nCAkKCwwN"): string {
  return `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
}
