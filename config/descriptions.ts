/**
 * What the settings mean, out of the doc comments of `src/config/types.ts`: the only place
 * where that is written.
 *
 * @module
 */

const TYPES = new URL("../src/config/types.ts", import.meta.url);

/** A member of an interface. */
export interface Property {
  /** Its doc comment, as one line. */
  comment: string;
  key: string;
  optional: boolean;
  type: string;
}

/** The members of an interface, or of a type that is made of object types. */
export function propertiesOf(source: string, name: string): Property[] {
  const declared = new RegExp(
    `^export (?:interface|type) ${name}\\b[^]*?^(?:\\}|  \\};)$`,
    "m",
  );
  const body = declared.exec(source)?.[0];
  if (body === undefined) throw new Error(`Cannot find ${name} in types.ts`);
  const property = /\/\*\*([^]*?)\*\/\s*(?:readonly )?(\w+)(\?)?: ([^;]+);/g;
  return [...body.matchAll(property)].map(([, comment, key, optional, type]) => ({
    comment: comment!.replace(/\s*\*\s*/g, " ").trim(),
    key: key!,
    optional: optional === "?",
    type: type!,
  }));
}

/** The members by their path in code, those of groups one by one. */
export function settingProperties(source: string): Property[] {
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
  const source = Deno.readTextFileSync(TYPES);
  return new Map(
    settingProperties(source).toReversed().map(({ key, comment }) => {
      const plain = comment.replace(/\{@linkcode (\w+)\}/g, "$1").replaceAll("`", "");
      return [key, /^.*?\.(?= |$)/.exec(plain)?.[0] ?? plain];
    }),
  );
}
