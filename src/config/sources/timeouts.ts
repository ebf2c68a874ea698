import { Layer } from "../layer.ts";
import { TIMEOUT_VARIABLES } from "./env_names.ts";
import type { EnvReader } from "./env_reader.ts";
import { readVariable } from "./read_variable.ts";

/**
 * What the seed's central timeout configuration says.
 *
 * @param env The variables.
 * @returns The layer.
 */
export function readTimeouts(env: EnvReader): Layer {
  const layer = new Layer("timeouts");
  for (const { name, key } of TIMEOUT_VARIABLES) {
    readVariable(env, name, key, layer, layer.root);
  }
  return layer;
}
