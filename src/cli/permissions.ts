import { CliExit, ExitCode } from "./terminal.ts";

/** What each permission is for. */
const PURPOSES: Readonly<Record<Deno.PermissionDescriptor["name"], string>> = {
  env: "read the environment",
  ffi: "call the C library",
  import: "load more code",
  net: "open connections",
  read: "read files",
  run: "start programs",
  sys: "read system information",
  write: "write files",
};

/** The flag that grants a permission, such as `--allow-net=127.0.0.1:6379`. */
export function flagOf(descriptor: Deno.PermissionDescriptor): string {
  const scope = "host" in descriptor
    ? descriptor.host
    : "path" in descriptor
    ? descriptor.path
    : undefined;
  return `--allow-${descriptor.name}${scope === undefined ? "" : `=${scope}`}`;
}

/** Whether a permission is granted already; it never prompts. */
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
 * Stops a command that lacks a permission, before the runtime prompts for it.
 *
 * @param command What is to be run, such as `doctor`.
 * @param descriptors What it needs.
 * @throws {CliExit} If one of them is not granted; the message names the flags.
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
