/** What says whether the library got as far as to let a command be settled. */
export interface MaybeWritable {
  /** Its name. */
  readonly name: string;
  /** Tells the caller the reply: of a command of our own. */
  readonly succeed?: unknown;
}

/**
 * Whether a command can be written. One of whose arguments no text can be made has been
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
 * @param command Its name and arguments.
 * @param cause What making a text of them threw.
 * @returns An error that names the command and the argument, not its value.
 */
export function unwritableError(
  { name, args }: { readonly name: string; readonly args: readonly unknown[] },
  cause?: unknown,
): TypeError {
  const at = args.findIndex((arg) => !hasText(arg));
  const which = at === -1
    ? "its arguments"
    : `its argument ${at + 1} (${typeof args[at]})`;
  return new TypeError(
    `Cannot write ${name.toUpperCase()}: no text can be made of ${which}; give a string, a number or a Buffer`,
    { cause },
  );
}

function hasText(arg: unknown): boolean {
  try {
    return typeof String(arg) === "string";
  } catch {
    return false;
  }
}
