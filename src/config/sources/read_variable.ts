import { Secret } from "../../core/secret.ts";
import type { Layer, ValueMap } from "../layer.ts";
import type { Origin, SourceName } from "../origin.ts";
import { allowedText } from "../schema/kinds.ts";
import { foundText } from "../schema/found.ts";
import { fromText } from "../schema/from_text.ts";
import { warnIfMilliseconds } from "../schema/milliseconds.ts";
import { settingOf, writtenName } from "../schema/names.ts";
import type { EnvReader } from "./env_reader.ts";

/** What Kubernetes and Docker links put into `REDIS_PORT` for a service called redis. */
const SERVICE_LINK = /^tcp:\/\//;

/**
 * Where the value of a variable comes from.
 *
 * @param name The variable.
 * @param source The source that it counts as.
 * @returns The origin.
 */
export function variableOrigin(name: string, source: SourceName): Origin {
  return { source, label: `env ${name}` };
}

/**
 * Reads a setting out of an environment variable.
 *
 * @param env The variables.
 * @param name The variable.
 * @param key The setting's path in code.
 * @param layer Gets the problems and warnings.
 * @param into Gets the value.
 * @param prefix Path of the level, such as `databases.cache.`.
 * @returns Whether the variable is set, well or badly.
 */
export function readVariable(
  env: EnvReader,
  name: string,
  key: string,
  layer: Layer,
  into: ValueMap,
  prefix: string = "",
): boolean {
  const raw = env.get(name);
  if (raw === undefined) return false;
  if (key === "port" && SERVICE_LINK.test(raw)) {
    layer.warnings.push(
      `env ${name} holds a service link of Kubernetes or Docker, not a port; ignored`,
    );
    return false;
  }
  const origin = variableOrigin(name, layer.source);
  const { kind } = settingOf(key);
  const value = fromText(kind, kind.type === "boolean" ? truth(raw) : raw);
  if (value === undefined) {
    const allowed = allowedText(kind, "yaml");
    layer.refuse(
      origin,
      `${prefix}${writtenName(key, "yaml")}`,
      `found ${foundText(raw)}, allowed: ${allowed}`,
    );
  } else if (kind.type === "secret") {
    into.set(key, { value: new Secret(String(value)), origin });
  } else into.set(key, { value, origin });
  warnIfMilliseconds(layer, settingOf(key), value, origin, writtenName(key, "yaml"));
  return true;
}

/** Shells write truths in more ways than YAML. */
function truth(raw: string): string {
  const lower = raw.toLowerCase();
  return lower === "1" ? "true" : lower === "0" ? "false" : lower;
}
