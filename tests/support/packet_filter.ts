/**
 * A packet filter that loses every packet of a port, for half-open connections as in life.
 *
 * @module
 */

async function iptables(...args: string[]): Promise<boolean> {
  try {
    const { success } = await new Deno.Command("iptables", {
      args: ["-w", "5", ...args],
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Whether this process may change the filter: Linux, iptables, and the rights for it. */
export async function canFilterPackets(): Promise<boolean> {
  return Deno.build.os === "linux" && await iptables("-L", "INPUT", "-n");
}

/** Loses packets on the loopback interface, until it is disposed of. */
export class PacketLoss implements AsyncDisposable {
  readonly #rules: readonly string[][];

  private constructor(rules: readonly string[][]) {
    this.#rules = rules;
  }

  /**
   * Begins to lose them, both ways.
   *
   * @param client Port of the client's end.
   * @param server Port of the server.
   * @throws {Error} If the filter does not take the rules.
   */
  static async between(client: number, server: number): Promise<PacketLoss> {
    const rule = (from: number, to: number) => [
      ...["INPUT", "-i", "lo", "-p", "tcp"],
      ...["--sport", String(from), "--dport", String(to), "-j", "DROP"],
    ];
    return await PacketLoss.#begin([rule(client, server), rule(server, client)]);
  }

  /**
   * Begins to lose all that is sent to a port.
   *
   * @param port The port.
   * @throws {Error} If the filter does not take the rule.
   */
  static async to(port: number): Promise<PacketLoss> {
    const rule = [
      "INPUT",
      "-i",
      "lo",
      "-p",
      "tcp",
      "--dport",
      String(port),
      "-j",
      "DROP",
    ];
    return await PacketLoss.#begin([rule]);
  }

  /**
   * Begins to lose what would open a connection to a network from outside it.
   *
   * @param network The network, such as `127.77.1.0/24`.
   * @throws {Error} If the filter does not take the rule.
   */
  static async toNetwork(network: string): Promise<PacketLoss> {
    const rule = [
      ...["INPUT", "-i", "lo", "-p", "tcp", "--syn", "-d", network],
      ...["!", "-s", network, "-j", "DROP"],
    ];
    return await PacketLoss.#begin([rule]);
  }

  static async #begin(rules: readonly string[][]): Promise<PacketLoss> {
    const loss = new PacketLoss(rules);
    for (const each of loss.#rules) {
      if (await iptables("-I", ...each)) continue;
      await loss[Symbol.asyncDispose]();
      throw new Error(`Cannot add the rule ${each.join(" ")}`);
    }
    return loss;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#rules) await iptables("-D", ...each);
  }
}
