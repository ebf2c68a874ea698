/** The parts of a lock file that this project reads. */
export interface Lock {
  /** The version of the format. */
  version: string;
  /** Resolved versions by specifier. */
  specifiers?: Record<string, string>;
  /** Packages of JSR. */
  jsr?: Record<string, unknown>;
  /** Packages of npm. */
  npm?: Record<string, unknown>;
}

function sorted<T>(entries: Record<string, T>): Record<string, T> {
  return Object.fromEntries(
    Object.entries(entries).sort(([a], [b]) => a < b ? -1 : 1),
  );
}

/**
 * One lock that holds what some locks hold of npm. What they hold of JSR is left out: it
 * would ask for versions that a link cannot give.
 *
 * @param locks The locks, of the same format.
 * @returns The sum.
 * @throws {Error} If their formats differ, or there is none.
 */
export function mergeLocks(locks: readonly Lock[]): Lock {
  const [version, ...others] = new Set(locks.map((lock) => lock.version));
  if (version === undefined || others.length > 0) {
    throw new Error(
      `Cannot merge locks as they must have one format: current formats are [${
        locks.map((lock) => lock.version).join(", ")
      }]`,
    );
  }
  const specifiers = locks.flatMap((lock) => Object.entries(lock.specifiers ?? {}))
    .filter(([specifier]) => specifier.startsWith("npm:"));
  return {
    version,
    specifiers: sorted(Object.fromEntries(specifiers)),
    npm: sorted(Object.assign({}, ...locks.map(({ npm }) => npm))),
  };
}
