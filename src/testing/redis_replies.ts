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
    const fields: Record<string, string> = {};
    for (const pair of line.trim().split(" ")) {
      const at = pair.indexOf("=");
      if (at > 0) fields[pair.slice(0, at)] = pair.slice(at + 1);
    }
    const { name = "", addr = "", cmd = "" } = fields;
    return {
      id: Number(fields.id),
      name,
      addr,
      db: Number(fields.db),
      cmd,
      age: Number(fields.age),
      idle: Number(fields.idle),
      fields,
    };
  });
}

/** Parses `key:value` lines, as in the replies to `INFO` and `CLUSTER INFO`. */
export function parseInfo(text: string): Record<string, string> {
  const info: Record<string, string> = {};
  for (const line of text.split(/\r?\n/)) {
    const at = line.indexOf(":");
    if (at > 0 && !line.startsWith("#")) info[line.slice(0, at)] = line.slice(at + 1);
  }
  return info;
}
