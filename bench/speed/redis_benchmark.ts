/** Commands of one run: about a fifth of a second. */
const COMMANDS = 150_000;

/**
 * Runs the server's own load generator on one connection with a pipeline of 64.
 *
 * @param url The server.
 * @param test What it sends, with values of 100 bytes.
 * @returns Commands a second; it reports no p99 that could be compared.
 * @throws {Error} If it is not installed or fails.
 */
export async function runRedisBenchmark(
  url: string,
  test: "get" | "set",
): Promise<{ perSecond: number; p99Ms: number }> {
  const { success, stdout, stderr } = await new Deno.Command("redis-benchmark", {
    args: [
      ...["-u", url, "-c", "1", "-P", "64", "-d", "100", "--csv"],
      // What it reads it must have written: a reply without a value costs less.
      ...["-n", String(COMMANDS), "-t", test === "get" ? "set,get" : test],
    ],
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  const row = new RegExp(`^"${test}[^"]*","([\\d.]+)"`, "im");
  const figure = row.exec(decoder.decode(stdout));
  if (!success || figure === null) {
    throw new Error(`Cannot run redis-benchmark: ${decoder.decode(stderr).trim()}`);
  }
  return { perSecond: Number(figure[1]), p99Ms: NaN };
}
