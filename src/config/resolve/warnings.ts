import type { Located } from "../layer.ts";
import { DEFAULT_ORIGIN, formatOrigin, type Origin } from "../origin.ts";
import type { BuiltDatabase } from "./build.ts";
import { wordsOf } from "./words.ts";
import { findShared } from "./separation.ts";

/**
 * What is allowed but probably not meant, of all databases together: what several have
 * in common is said once.
 *
 * @param built The databases.
 * @param declared Where each database is named.
 * @returns The warnings.
 */
export function databaseWarnings(
  built: readonly BuiltDatabase[],
  declared: ReadonlyMap<string, Origin>,
): string[] {
  return [
    ...groupWarnings(built),
    ...overruledWarnings(built),
    ...sharedWarnings(built, declared),
  ];
}

/** Most names that one warning spells out. */
const MAX_NAMED = 5;

function listNames(names: readonly string[]): string {
  const named = names.slice(0, MAX_NAMED).join(", ");
  const more = names.length - MAX_NAMED;
  const noun = names.length === 1 ? "database" : "databases";
  return `${noun} ${named}${more > 0 ? ` and ${more} more` : ""}`;
}

/** The same warning about several databases is one warning. */
function groupWarnings(built: readonly BuiltDatabase[]): string[] {
  const names = new Map<string, string[]>();
  for (const { config, warnings } of built) {
    for (const warning of warnings) {
      const list = names.get(warning);
      if (list === undefined) names.set(warning, [config.name]);
      else list.push(config.name);
    }
  }
  return [...names].map(([warning, list]) => `${listNames(list)}: ${warning}`);
}

/** Where a variable for all replaces what a file says of one server. */
function overruledWarnings(built: readonly BuiltDatabase[]): string[] {
  const found = new Map<string, { names: string[]; own: Located }>();
  for (const { config: { name }, overruled } of built) {
    for (const { key, by, own } of overruled) {
      const id = `${formatOrigin(by.origin)} replaces the ${
        wordsOf(own.origin).name(key)
      }`;
      const known = found.get(id);
      if (known === undefined) found.set(id, { names: [name], own });
      else known.names.push(name);
    }
  }
  return [...found].map(([id, { names, own }]) =>
    `${id} that ${formatOrigin(own.origin)} gives ${listNames(names)} alone; ` +
    "REDIS_<NAME>_URL would set one database"
  );
}

function sharedWarnings(
  built: readonly BuiltDatabase[],
  declared: ReadonlyMap<string, Origin>,
): string[] {
  return findShared(built.map(({ config }) => config)).map(({ db, endpoint, names }) => {
    const [first, second] = names;
    const { name } = wordsOf(declared.get(second!) ?? DEFAULT_ORIGIN);
    return `${listNames(names)} share number ${db} on ${endpoint}; if that is meant, ` +
      `say ${name("aliasOf")}: ${first}`;
  });
}
