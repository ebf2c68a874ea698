/**
 * Readers of what Redis says about itself.
 *
 * @module
 */

/** One connection in the reply of CLIENT LIST. */
export interface ClientRow {
  /** The server's number of the connection. */
  id: number;
  /** What the client called it; empty if nothing. */
  name: string;
  /** Address of the client's end. */
  addr: string;
  /** Selected database. */
  db: number;
  /** Last command. */
  cmd: string;
  /** Seconds since the connection was made. */
  age: number;
  /** Seconds since the last command. */
  idle: number;
  /** All fields as the server wrote them. */
  fields: Record<string, string>;
}

/** Reads the reply of CLIENT LIST. */
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

/** Reads `key:value` lines, as INFO and CLUSTER INFO give them. */
export function parseInfo(text: string): Record<string, string> {
  const info: Record<string, string> = {};
  for (const line of text.split(/\r?\n/)) {
    const at = line.indexOf(":");
    if (at > 0 && !line.startsWith("#")) info[line.slice(0, at)] = line.slice(at + 1);
  }
  return info;
}
