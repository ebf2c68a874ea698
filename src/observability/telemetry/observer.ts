/** What is to be known of a command to report it. */
export interface ObservedCommand {
  /** Its name, in any case. */
  readonly name: string;
  /** Its arguments. */
  readonly args: readonly unknown[];
  /** Settles it; may be replaced before it is delivered. */
  resolve(reply: unknown): void;
  /** Settles it; may be replaced before it is delivered. */
  reject(error: Error): void;
  /** Tells the caller the reply; has a command of our own. */
  succeed?(reply: unknown): void;
  /** Tells the caller the error; has a command of our own. */
  fail?(error: Error): void;
  /** Settles its promise, and tells nobody else. */
  adopt?(outcome: Promise<never>): void;
  /** Those of its arguments that are keys. */
  getKeys(): readonly unknown[];
  /** What its delivery keeps of it. */
  readonly tracking?: {
    /** How often it was sent. */
    readonly attempts: number;
    /** The connection that it was on last. */
    readonly connection: { readonly endpoint: string } | undefined;
  };
}

/** How commands were sent together. */
export type BatchKind = "PIPELINE" | "MULTI";

/**
 * Ends the report of a batch.
 *
 * @param error The first error of its commands, if one failed.
 */
export type EndBatch = (error?: unknown) => void;

/** Is told what callers send. Where there is none, nothing is reported. */
export interface OperationObserver {
  /**
   * A command is about to be delivered; it is followed until it is settled.
   *
   * @param command The command.
   */
  command(command: ObservedCommand): void;
  /**
   * Commands are about to be delivered together; they are followed until all are settled.
   *
   * @param commands The commands.
   */
  commands(commands: readonly ObservedCommand[]): void;
  /**
   * A batch begins that is followed by who sends it.
   *
   * @param commands Its commands.
   * @param kind How they are sent.
   * @returns To be called when it is over.
   */
  batch(commands: readonly ObservedCommand[], kind: BatchKind): EndBatch;
}
