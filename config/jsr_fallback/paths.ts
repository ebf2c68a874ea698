function parent(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/** Absolute path of this folder, which holds the launcher and the stand-ins. */
export const LAUNCHER_FOLDER = import.meta.dirname!;

/** Absolute path of the project. */
export const ROOT = parent(parent(LAUNCHER_FOLDER));
