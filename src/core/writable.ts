/** What says whether the library got as far as to let a command be settled. */
export interface MaybeWritable {
  /** Its name. */
  readonly name: string;
  /** Tells the caller the reply: of a command of our own. */
  readonly succeed?: unknown;
  /** Why it cannot be written: of a command of our own. */
  readonly unwritable?: Error;
}

/**
 * Whether a command can be written. One that has an argument of no meaning has been
 * rejected by then, and must not be sent.
 *
 * @param command The command.
 * @returns Whether it can.
 */
export function isWritable(command: MaybeWritable): boolean {
  return command.succeed !== undefined || Object.hasOwn(command, "resolve");
}

/**
 * The error for a command that cannot be written.
 *
 * @param command The command.
 * @returns An error that names the command and, of a command of our own, the argument.
 */
export function unwritableError({ name, unwritable }: MaybeWritable): Error {
  return unwritable ??
    new TypeError(`Cannot write ${name.toUpperCase()}: one of its arguments has no text`);
}
