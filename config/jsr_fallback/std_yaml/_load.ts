// @ts-types="./_js_yaml.d.ts"
import yaml from "js-yaml";
import { errorAt, toSyntaxError } from "./_errors.ts";
import type { Schema } from "./_schema.ts";
import type { KindType, Type } from "./_type.ts";
import type { YamlSyntaxError } from "./types.ts";

/** How a text is to be read. */
export interface LoadOptions {
  /** The types that it may contain. */
  schema: Schema;
  /** Whether a later key replaces an earlier one. */
  allowDuplicateKeys?: boolean | undefined;
  /** Told of what is odd, but no error. */
  onWarning?: ((error: YamlSyntaxError) => void) | undefined;
  /** Whether a second document is an error. */
  singleDocument: boolean;
}

type JsYamlSchema = InstanceType<typeof yaml.Schema>;

const known = new WeakMap<Schema, JsYamlSchema>();

function toJsYamlType({ tag, kind, resolve, construct }: Type<KindType>) {
  return new yaml.Type(tag, { kind, resolve, construct });
}

function toJsYamlSchema(schema: Schema): JsYamlSchema {
  let made = known.get(schema);
  if (!made) {
    made = new yaml.Schema({
      implicit: schema.implicit.map(toJsYamlType),
      explicit: schema.explicit.map(toJsYamlType),
    });
    known.set(schema, made);
  }
  return made;
}

/** From a document's end to the start of the next one, past blanks and comments. */
const DOCUMENT_END =
  /(?:[ \t\r\n]|#[^\r\n\0]*)*(?:(?=^---[ \t\r\n\0])|^\.\.\.(?=[ \t\r\n\0])(?:[ \t\r\n]|#[^\r\n\0]*)*)/my;

/** Watches nodes begin and end, and refuses what follows the end of the first document. */
function refuseSecondDocument(): (
  event: "open" | "close",
  state: { input: string; position: number },
) => void {
  let depth = 0;
  return (event, { input, position }) => {
    depth += event === "open" ? 1 : -1;
    if (depth > 0) return;
    DOCUMENT_END.lastIndex = position;
    const next = DOCUMENT_END.test(input) ? DOCUMENT_END.lastIndex : input.length;
    // The last character is js-yaml's own mark of the end.
    if (next < input.length - 1) {
      throw errorAt(
        "Found more than 1 document in the stream: expected a single document",
        input,
        next,
      );
    }
  };
}

/** Reads every document of a text. */
export function load(content: string, options: LoadOptions): unknown[] {
  const { schema, allowDuplicateKeys = false, onWarning, singleDocument } = options;
  try {
    return yaml.loadAll(String(content), null, {
      schema: toJsYamlSchema(schema),
      json: allowDuplicateKeys,
      onWarning: ({ reason, mark }) => onWarning?.(toSyntaxError(reason, mark)),
      listener: singleDocument ? refuseSecondDocument() : () => {},
    });
  } catch (error) {
    if (!(error instanceof yaml.YAMLException)) throw error;
    throw toSyntaxError(error.reason, error.mark);
  }
}
