/**
 * What the settings mean, out of the doc comments of the types of configurations: the only
 * place where that is written.
 *
 * @module
 */

/** The files of the types. */
const TYPES = ["settings.ts", "types.ts"];

/** A member of an interface. */
export interface Property {
  /** Its doc comment, as one line. */
  comment: string;
  key: string;
  optional: boolean;
  type: string;
}

/** The members of an interface, or of a type that is made of object types. */
function propertiesOf(source: string, name: string): Property[] {
  const declared = new RegExp(
    `^export (?:interface|type) ${name}\\b[^]*?^(?:\\}|  \\};)$`,
    "m",
  );
  const body = declared.exec(source)?.[0];
  if (body === undefined) throw new Error(`Cannot find ${name} in ${TYPES}`);
  const property = /\/\*\*([^]*?)\*\/\s*(?:readonly )?(\w+)(\?)?: ([^;]+);/g;
  return [...body.matchAll(property)].map(([, comment, key, optional, type]) => ({
    comment: comment!.replace(/\s*\*\s*/g, " ").trim(),
    key: key!,
    optional: optional === "?",
    type: type!,
  }));
}

/** The members by their path in code, those of groups one by one. */
export function settingProperties(): Property[] {
  const source = TYPES.map((name) =>
    Deno.readTextFileSync(new URL(`../src/config/${name}`, import.meta.url))
  ).join("\n");
  const members = ["RedisConfig", "RedisConfigOptions", "ManagerConfig"]
    .flatMap((name) => propertiesOf(source, name));
  return members.flatMap((one) =>
    /^\w+Config$/.test(one.type)
      ? propertiesOf(source, one.type).map((inner) => ({
        ...inner,
        key: `${one.key}.${inner.key}`,
      }))
      : [one]
  );
}

/**
 * What each setting means, by its path in code: the first sentence of its comment, as
 * plain text.
 */
export function describeSettings(): Map<string, string> {
  return new Map(
    settingProperties().toReversed().map(({ key, comment }) => {
      const plain = comment.replace(/\{@linkcode (\w+)\}/g, "$1").replaceAll("`", "");
      return [key, /^.*?\.(?= |$)/.exec(plain)?.[0] ?? plain];
    }),
  );
}
