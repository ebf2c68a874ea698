import type { JsonSchema } from "../src/config/json_schema.ts";
import { allowedText, BOOLEAN, type SettingKind } from "../src/config/kinds.ts";
import {
  DATABASES_KEYS,
  isGroup,
  LEGACY_KEYS,
  type Setting,
  type SettingGroup,
  type SettingNames,
  settingNames,
  TEMPLATE_PREFIX,
  yamlDefault,
} from "../src/config/names.ts";
import { describeSettings } from "./descriptions.ts";

const DESCRIPTIONS = describeSettings();

/** A text that has a variable in it. */
const VARIABLE: JsonSchema = { type: "string", pattern: "\\$\\{" };
/** The names that a database may have. */
const NAME_PATTERN =
  "^(?!(__proto__|constructor|prototype)$)[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}$";

/** The JSON Schema of the YAML file, out of the table of settings. */
export function makeJsonSchema(): JsonSchema {
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Redis databases of @mooring/redis",
    type: ["object", "null"],
    additionalProperties: false,
    properties: rootProperties(),
    patternProperties: {
      [`^${TEMPLATE_PREFIX}`]: { description: "A template for anchors; not read." },
    },
    allOf: [notBoth(DATABASES_KEYS), ...exclusions(settingNames("yaml", "root"))],
    definitions: { database: databaseSchema() },
  };
}

function rootProperties(): JsonSchema {
  const properties: JsonSchema = {};
  for (const key of DATABASES_KEYS) {
    properties[key] = {
      description: "The databases by name.",
      type: ["object", "null"],
      propertyNames: { pattern: NAME_PATTERN },
      additionalProperties: { $ref: "#/definitions/database" },
    };
  }
  const ofDatabase = settingNames("yaml", "database");
  for (const [name, entry] of settingNames("yaml", "root")) {
    properties[name] = ofDatabase.has(name)
      ? { $ref: `#/definitions/database/properties/${name}` }
      : entrySchema(name, entry);
  }
  for (const [key, why] of LEGACY_KEYS) {
    properties[key] = { description: `Accepted, without effect: ${why}.` };
  }
  return properties;
}

function databaseSchema(): JsonSchema {
  const names = settingNames("yaml", "database");
  return { ...mappingOf(names), allOf: exclusions(names) };
}

function mappingOf(names: SettingNames): JsonSchema {
  const properties = [...names].map(([name, entry]) => [name, entrySchema(name, entry)]);
  return {
    type: ["object", "null"],
    additionalProperties: false,
    properties: Object.fromEntries(properties),
  };
}

/** What may not stand side by side: two names of one setting, two ways to say one thing. */
function exclusions(names: SettingNames): JsonSchema[] {
  const spellings = new Map<Setting, string[]>();
  for (const [name, entry] of names) {
    if (isGroup(entry)) continue;
    spellings.set(entry, [...(spellings.get(entry) ?? []), name]);
  }
  return [
    ...[...spellings.values()].filter((list) => list.length > 1).map(notBoth),
    notBoth(["host", "unix_socket"]),
    notBoth(["password", "password_file"]),
  ];
}

function entrySchema(name: string, entry: Setting | SettingGroup): JsonSchema {
  return isGroup(entry) ? groupSchema(entry) : settingSchema(name, entry);
}

function groupSchema({ members }: SettingGroup): JsonSchema {
  const mapping = mappingOf(members);
  // `tls: true` is short for the group's own switch.
  return members.has("enabled") ? { anyOf: [mapping, ...kindSchemas(BOOLEAN)] } : mapping;
}

/** None or one of these keys with a value. */
function notBoth(keys: readonly string[]): JsonSchema {
  const given = (key: string): JsonSchema => ({
    type: "object",
    required: [key],
    properties: { [key]: { not: { type: "null" } } },
  });
  const pairs = keys.flatMap((a, i) => keys.slice(i + 1).map((b) => [a, b] as const));
  return {
    not: { anyOf: pairs.map(([a, b]) => ({ allOf: [given(a), given(b)] })) },
  };
}

function settingSchema(name: string, setting: Setting): JsonSchema {
  const leaf = setting.yaml.split(".").at(-1);
  const allowed = allowedText(setting.kind, "yaml");
  const schema: JsonSchema = {
    description: name === leaf
      ? `${DESCRIPTIONS.get(setting.key)} Allowed: ${allowed}.`
      : `Another name of ${setting.yaml}.`,
    anyOf: [...kindSchemas(setting.kind), { type: "null" }],
  };
  if (setting.default !== undefined) {
    schema.default = setting.kind.type === "duration"
      ? Number(yamlDefault(setting))
      : setting.default;
  }
  return schema;
}

/** Numbers and booleans may be in quotes, or come out of a variable. */
function kindSchemas(kind: SettingKind): JsonSchema[] {
  switch (kind.type) {
    case "integer":
      return [
        { type: "integer", minimum: kind.min, maximum: kind.max },
        { type: "string", pattern: "^(0|[1-9][0-9]*)$" },
        VARIABLE,
      ];
    case "number":
      return [
        { type: "number", minimum: kind.min, maximum: kind.max },
        DECIMAL,
        VARIABLE,
      ];
    case "duration":
      return [
        { type: "number", minimum: kind.minMs / 1000, maximum: kind.maxMs / 1000 },
        DECIMAL,
        VARIABLE,
      ];
    case "boolean":
      return [{ type: "boolean" }, { enum: ["true", "false"] }, VARIABLE];
    case "choice":
      return [
        { enum: [...new Set([...kind.values, ...kind.values.map(String)])] },
        VARIABLE,
      ];
    case "text":
      return [textSchema(kind), VARIABLE];
    case "secret":
      return [{ type: "string" }];
    case "url":
      return [{ type: "string", pattern: "^(rediss?|unix)://" }, VARIABLE];
    case "nodes":
      return [{ type: "array", maxItems: 1000, items: NODE }];
    case "texts":
      return [{
        type: "array",
        maxItems: 100,
        items: { type: "string", maxLength: 4096 },
      }];
    case "addresses":
      return [{
        type: "object",
        maxProperties: 1000,
        propertyNames: { pattern: HOST_PORT },
        additionalProperties: {
          anyOf: [{ type: "string", pattern: HOST_PORT }, VARIABLE],
        },
      }];
    case "function":
      return [];
  }
}

const DECIMAL: JsonSchema = { type: "string", pattern: "^(0|[1-9][0-9]*)(\\.[0-9]+)?$" };

const PORT: JsonSchema = {
  anyOf: [{ type: "integer", minimum: 1, maximum: 65_535 }, VARIABLE],
};

const HOST_PORT = ":[1-9][0-9]{0,4}$";

const NODE: JsonSchema = {
  anyOf: [
    { type: "string", pattern: HOST_PORT },
    VARIABLE,
    {
      type: "object",
      additionalProperties: false,
      required: ["host", "port"],
      properties: { host: { type: "string", minLength: 1 }, port: PORT },
    },
  ],
};

function textSchema(kind: Extract<SettingKind, { type: "text" }>): JsonSchema {
  const schema: JsonSchema = { type: "string", maxLength: kind.maxLength };
  switch (kind.format) {
    case "any":
      return schema;
    case "word":
    case "path":
      return { ...schema, pattern: "\\S" };
    case "visible":
      return { ...schema, pattern: "^[!-~]+$" };
    case "host":
      return { ...schema, pattern: "^(?![^:]*:[^:]*$)[^\\s/@?#\\\\,;\"']+$" };
    case "database":
      return { ...schema, pattern: NAME_PATTERN };
  }
}
