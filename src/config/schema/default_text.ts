import type { Setting } from "./setting.ts";

/**
 * A setting's default as YAML writes it: durations in seconds.
 *
 * @param setting The setting.
 * @returns The text; empty when there is no default.
 */
export function yamlDefault(setting: Setting): string {
  const value = setting.default;
  if (value === undefined) return "";
  if (setting.kind.type === "duration" && typeof value === "number") {
    return String(value / 1000);
  }
  return typeof value === "object" || value === ""
    ? JSON.stringify(value)
    : String(value);
}
