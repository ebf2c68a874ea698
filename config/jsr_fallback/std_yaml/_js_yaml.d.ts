/** The part of js-yaml that is used here: the package has no types of its own. */
interface Mark {
  buffer: string;
  position: number;
  line: number;
  column: number;
}

interface State {
  input: string;
  position: number;
}

declare class Type {
  constructor(tag: string, options: {
    kind: "sequence" | "scalar" | "mapping";
    resolve: (data: unknown) => boolean;
    construct: (data: unknown) => unknown;
  });
}

declare class Schema {
  constructor(definition: { implicit: Type[]; explicit: Type[] });
}

declare class YAMLException extends Error {
  reason: string;
  mark: Mark;
}

interface LoadOptions {
  schema: Schema;
  json: boolean;
  onWarning: (warning: YAMLException) => void;
  listener: (event: "open" | "close", state: State) => void;
}

declare const yaml: {
  Type: typeof Type;
  Schema: typeof Schema;
  YAMLException: typeof YAMLException;
  loadAll(text: string, iterator: null, options: LoadOptions): unknown[];
};

export default yaml;
