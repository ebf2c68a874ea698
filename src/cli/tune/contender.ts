import type { RedisConfig } from "../../../mod.ts";
import type { Mix, Subject } from "./report_types.ts";

/** What a client that is measured must be able to do. */
export interface ContenderClient {
  /** GET. */
  get(key: string): Promise<unknown>;
  /** SET with an expiry, in seconds. */
  set(key: string, value: string, seconds: number): Promise<unknown>;
  /** One GET for each key, sent together. */
  pipeline(keys: readonly string[]): Promise<unknown>;
  /** RPUSH; only for the mix `blocking`. */
  push?(list: string, ...values: string[]): Promise<unknown>;
  /** BLPOP without end, beside other commands; only for the mix `blocking`. */
  pop?(list: string): Promise<string | undefined>;
  /**
   * WATCH, GET, MULTI, SET, EXEC on a connection of its own, which is leased for it; only
   * for the mix `lease`.
   */
  transact?(
    key: string,
    value: string,
    seconds: number,
    onWait: (ms: number) => void,
  ): Promise<unknown>;
  /** Closes its connections. */
  close(): Promise<unknown>;
}

/** What a client is opened with. */
export interface OpenOptions {
  /** The database to measure, as configured. */
  readonly config: RedisConfig;
  /** Name of its connections: nobody else's begin with it. */
  readonly name: string;
  /** Most shared connections. */
  readonly lanes: number;
  /** Most leases. */
  readonly leases: number;
}

/** Who takes part in the sweep. */
export interface Contender {
  /** Its name in the report. */
  readonly subject: Subject;
  /** Its version. */
  readonly version: string;
  /** What it can do. */
  readonly mixes: readonly Mix[];
  /**
   * Opens a client.
   *
   * @param options Where, and with how many connections.
   * @returns The client, and what the names of its connections begin with.
   */
  open(
    options: OpenOptions,
  ): Promise<{ client: ContenderClient; namePrefix: string }>;
}
