/** Connections that are opened first: what is compiled meanwhile is there once. */
export const FIRST_CONNECTIONS = 100;
/** Connections opened then, which the heap is divided by. */
export const CONNECTIONS = 200;
/** Commands in flight that the heap is divided by. */
export const COMMANDS = 20_000;

/**
 * The heap in use after garbage has been collected.
 *
 * @returns Bytes.
 * @throws {Error} If the program was not started with `--v8-flags=--expose-gc`.
 */
export function heapUsed(): number {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error("Start it with --v8-flags=--expose-gc");
  gc();
  gc();
  return Deno.memoryUsage().heapUsed;
}
