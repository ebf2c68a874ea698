/**
 * Whether the runtime has Deno's files and environment; elsewhere the configuration
 * comes from code and text alone.
 *
 * @returns `true` on Deno.
 */
export function isDenoPresent(): boolean {
  return typeof globalThis.Deno === "object" &&
    typeof globalThis.Deno.permissions?.querySync === "function";
}
