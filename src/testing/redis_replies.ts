/**
 * Parsers of `CLIENT LIST` and `INFO`.
 *
 * @module
 */

/** One connection in the reply to `CLIENT LIST`. */
export interface ClientRow {
  /** Its id at the server. */
  id: number;
  /** Its name (`CLIENT SETNAME`); empty if it has none. */
  name: string;
  /** Address and port of the client. */
  addr: string;
  /** Selected database. */
  db: number;
  /** Last command. */
  cmd: string;
  /** Seconds since it was opened. */
  age: number;
  /** Seconds since the last command. */
  idle: number;
  /** All fields by their names, as the server wrote them. */
  fields: Record<string, string>;
}

/** Parses the reply to `CLIENT LIST`. */
export function parseClientList(text: string): ClientRow[] {
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const fields = fieldsOf(line, /([^\s=]+)=(\S*)/g);
    const { name = "", addr = "", cmd = "" } = fields;
    const [id, db, age, idle] = [fields.id, fields.db, fields.age, fields.idle].map(
      Number,
    ) as [number, number, number, number];
    return { id, name, addr, db, cmd, age, idle, fields };
  });
}

/** Parses `key:value` lines, as in the replies to `INFO` and `CLUSTER INFO`. */
export function parseInfo(text: string): Record<string, string> {
  return fieldsOf(text, /^([^#:\r\n]+):(.*?)\r?$/gm);
}

function fieldsOf(text: string, pattern: RegExp): Record<string, string> {
  return Object.fromEntries(
    Array.from(text.matchAll(pattern), ([, name, value]) => [name!, value!]),
  );
}
