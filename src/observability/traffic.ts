/** What counts its own bytes: a connection's stream. */
export interface TrafficSource {
  /** Bytes written to the socket so far. */
  readonly bytesSent: number;
  /** Bytes read from the socket so far. */
  readonly bytesReceived: number;
}

/**
 * Adds up the bytes of connections, those that are gone included. Nothing is added while
 * they flow: each connection counts its own, and is asked when somebody wants to know.
 */
export class Traffic implements TrafficSource {
  readonly #open = new Set<TrafficSource>();
  #sentBefore = 0;
  #receivedBefore = 0;

  /**
   * A connection was opened: all of its bytes count, those of its handshake too.
   *
   * @param source The connection.
   */
  opened(source: TrafficSource): void {
    this.#open.add(source);
  }

  /**
   * A connection has ended: its numbers do not change any more, and it can be let go.
   *
   * @param source The connection.
   */
  ended(source: TrafficSource): void {
    if (!this.#open.delete(source)) return;
    this.#sentBefore += source.bytesSent;
    this.#receivedBefore += source.bytesReceived;
  }

  /** Bytes written so far, on all connections. */
  get bytesSent(): number {
    let sum = this.#sentBefore;
    for (const { bytesSent } of this.#open) sum += bytesSent;
    return sum;
  }

  /** Bytes read so far, on all connections. */
  get bytesReceived(): number {
    let sum = this.#receivedBefore;
    for (const { bytesReceived } of this.#open) sum += bytesReceived;
    return sum;
  }
}
