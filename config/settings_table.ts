import { allowedText } from "../src/config/kinds.ts";
import {
  DATABASE_SETTINGS,
  MANAGER_SETTINGS,
  type Setting,
  yamlDefault,
} from "../src/config/names.ts";
import { describeSettings } from "./descriptions.ts";
import { table } from "./failure_tables.ts";

/**
 * The table of settings for people, in Markdown.
 *
 * @returns The table of a database's settings and that of the manager's.
 */
export function settingsMarkdown(): string {
  return [
    "Settings of a database. At the root of the file they are the defaults of every database,",
    "except `alias_of` and `description`.",
    "",
    table([HEAD, ...DATABASE_SETTINGS.map(cellsOf)]),
    "",
    "Settings of the manager, at the root only:",
    "",
    table([HEAD, ...MANAGER_SETTINGS.map(cellsOf)]),
    "",
  ].join("\n");
}

const DESCRIPTIONS = describeSettings();
const HEAD = ["YAML", "code", "allowed", "default", "meaning"];

function cellsOf(setting: Setting): string[] {
  const names = setting.kind.type === "function"
    ? [`\`${setting.yaml}\` (in code only)`]
    : [setting.yaml, ...setting.aliases].map((name) => `\`${name}\``);
  const cells = [
    names.join(", "),
    `\`${setting.key}\``,
    allowedText(setting.kind, "yaml"),
    setting.default === undefined ? "" : `\`${yamlDefault(setting)}\``,
    DESCRIPTIONS.get(setting.key) ?? "",
  ];
  return cells.map((cell) => cell.replaceAll("|", "\\|"));
}
