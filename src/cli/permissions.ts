import { CliExit, ExitCode } from "./exit.ts";

/** Says what a permission is for; the runtime itself would stop and ask. */
const PURPOSES: Readonly<Record<Deno.PermissionDescriptor["name"], string>> = {
  env: "read the environment",
  ffi: "call the C library",
  import: "load more code",
  net: "open connections",
  read: "read files",
  run: "start programs",
  sys: "look at the system",
  write: "write files",
};

/** What a permission is about, as it stands behind its flag. */
function scopeOf(descriptor: Deno.PermissionDescriptor): string {
  switch (descriptor.name) {
    case "net":
      return descriptor.host ?? "";
    case "read":
    case "write":
      return descriptor.path === undefined ? "" : String(descriptor.path);
    default:
      return "";
  }
}

/**
 * The flag that grants a permission.
 *
 * @param descriptor The permission.
 * @returns Text such as `--allow-net=127.0.0.1:6379`.
 */
export function flagOf(descriptor: Deno.PermissionDescriptor): string {
  const scope = scopeOf(descriptor);
  return `--allow-${descriptor.name}${scope === "" ? "" : `=${scope}`}`;
}

/**
 * Whether a permission is granted already; nobody is asked for it.
 *
 * @param descriptor The permission.
 * @returns `true` if it is, or if this runtime asks for no such permission.
 */
export function isGranted(descriptor: Deno.PermissionDescriptor): boolean {
  try {
    return Deno.permissions.querySync(descriptor).state === "granted";
  } catch (error) {
    // Deno 2.8 knows no permission of the network for a Unix socket.
    if (error instanceof URIError) return true;
    throw error;
  }
}

/**
 * Stops a command that lacks a permission, before the runtime stops it with a question.
 *
 * @param command What is to be run, such as `doctor`.
 * @param descriptors What it needs.
 * @throws {CliExit} If one of them is not granted; it names the flag.
 */
export function requirePermissions(
  command: string,
  ...descriptors: Deno.PermissionDescriptor[]
): void {
  const missing = descriptors.filter((descriptor) => !isGranted(descriptor));
  if (missing.length === 0) return;
  const what = missing.map(({ name }) => PURPOSES[name]).join(" nor ");
  const flags = missing.map(flagOf).join(" ");
  throw new CliExit(
    ExitCode.FAILED,
    `Cannot run ${command}: this process may not ${what}; run it with ${flags} (or -A)`,
  );
}
