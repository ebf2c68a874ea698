/**
 * A port that takes connections and never says anything on them: a host that hangs, or a
 * firewall that lets the handshake of TCP through and nothing else.
 *
 * @module
 */
export class Blackhole implements AsyncDisposable {
  readonly #listener: Deno.TcpListener;
  readonly #taken = new Set<Deno.TcpConn>();
  readonly #over: Promise<void>;

  private constructor(listener: Deno.TcpListener) {
    this.#listener = listener;
    this.#over = this.#take();
  }

  /** Begins to listen on a free port of this machine. */
  static listen(): Blackhole {
    return new Blackhole(Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  }

  /** Where it listens. */
  get port(): number {
    return this.#listener.addr.port;
  }

  async #take(): Promise<void> {
    for await (const connection of this.#listener) this.#taken.add(connection);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#over.catch(() => {});
    for (const connection of this.#taken) connection.close();
  }
}
