import { isDenoPresent } from "./host.ts";

/** Where environment variables come from: an object, or a function that reads one. */
export type EnvSource =
  | Readonly<Record<string, string | undefined>>
  | ((name: string) => string | undefined);

/** Most names that the warning about denied variables spells out. */
const MAX_NAMED = 3;

/**
 * Reads single environment variables, never the whole environment, and remembers
 * which ones it was not allowed to read.
 */
export class EnvReader {
  readonly #source: EnvSource | undefined;
  readonly #denied = new Set<string>();
  readonly #seen = new Map<string, string | undefined>();

  /**
   * Makes a reader.
   *
   * @param source The variables; the process environment by default.
   */
  constructor(source?: EnvSource) {
    this.#source = source;
  }

  /**
   * One variable.
   *
   * @param name Its name.
   * @returns Its value; `undefined` when it is not set, is empty, or may not be read.
   */
  get(name: string): string | undefined {
    if (this.#seen.has(name)) return this.#seen.get(name);
    const value = this.#read(name);
    // A function in plain JavaScript may say null.
    const kept = (value ?? "") === "" ? undefined : String(value);
    this.#seen.set(name, kept);
    return kept;
  }

  /**
   * Whether a variable was asked for and may not be read.
   *
   * @param name Its name.
   * @returns `true` if reading it was denied.
   */
  isDenied(name: string): boolean {
    return this.#denied.has(name);
  }

  /** The names that are set, where the source can tell: for an object only. */
  names(): string[] {
    return typeof this.#source === "object" ? Object.keys(this.#source) : [];
  }

  /** One sentence about the variables that may not be read, if there are any. */
  warnings(): string[] {
    if (this.#denied.size === 0) return [];
    const names = [...this.#denied];
    const named = names.slice(0, MAX_NAMED).join(", ");
    const more = names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more` : "";
    return [
      `environment variables ${named}${more} may not be read and count as not set; ` +
      `run with --allow-env=${names[0]},… or --allow-env to let them count`,
    ];
  }

  #read(name: string): string | undefined {
    const source = this.#source;
    if (typeof source === "object") {
      return Object.hasOwn(source, name) ? source[name] : undefined;
    }
    try {
      if (source !== undefined) return source(name);
      if (!isDenoPresent()) return undefined;
      const { state } = Deno.permissions.querySync({ name: "env", variable: name });
      if (state === "granted") return Deno.env.get(name);
      this.#denied.add(name);
    } catch {
      // A function that reads the real environment throws where that is not allowed.
      this.#denied.add(name);
    }
    return undefined;
  }
}
