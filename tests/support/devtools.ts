/**
 * A client of Chromium's DevTools protocol: commands, their results, and events.
 *
 * @module
 */

/** What commands take and events bring; what is in it depends on the command. */
export type Payload = Readonly<Record<string, unknown>>;

/** An event of a page. */
export interface DevToolsEvent {
  /** Its name, such as `Network.requestWillBeSent`. */
  readonly method: string;
  /** What it brings. */
  readonly params: Payload;
}

interface Message extends Partial<DevToolsEvent> {
  readonly id?: number;
  readonly result?: Payload;
  readonly error?: { readonly message: string };
  readonly sessionId?: string;
}

interface Pending {
  readonly method: string;
  resolve(result: Payload): void;
  reject(error: Error): void;
}

/** One connection to a browser. */
export class DevTools {
  readonly #socket: WebSocket;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Map<string, (event: DevToolsEvent) => void>();
  #lastId = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(String(data)));
    socket.onclose = () => this.#fail();
  }

  /**
   * Connects to a browser.
   *
   * @param url Its address for the protocol.
   * @returns The connection.
   */
  static async connect(url: string): Promise<DevTools> {
    const socket = new WebSocket(url);
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onerror = () => reject(new Error(`Cannot connect to ${url}`));
    });
    return new DevTools(socket);
  }

  /**
   * Sends a command.
   *
   * @param method Its name.
   * @param params What it takes.
   * @param sessionId The page it is for; the browser itself if it is left out.
   * @returns Its result.
   */
  send(method: string, params: Payload = {}, sessionId?: string): Promise<Payload> {
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<Payload>();
    this.#pending.set(id, { method, resolve, reject });
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    return promise;
  }

  /**
   * Hands over the events of a page.
   *
   * @param sessionId The page.
   * @param listener Who gets them.
   */
  listen(sessionId: string, listener: (event: DevToolsEvent) => void): void {
    this.#listeners.set(sessionId, listener);
  }

  /** Closes the connection; commands without a result fail. */
  close(): void {
    this.#socket.close();
    this.#fail();
  }

  #receive(
    { id, result = {}, error, method, params = {}, sessionId = "" }: Message,
  ): void {
    if (method !== undefined) this.#listeners.get(sessionId)?.({ method, params });
    const pending = id === undefined ? undefined : this.#pending.get(id);
    if (id === undefined || pending === undefined) return;
    this.#pending.delete(id);
    if (error === undefined) pending.resolve(result);
    else pending.reject(new Error(`${pending.method}: ${error.message}`));
  }

  #fail(): void {
    for (const { method, reject } of this.#pending.values()) {
      reject(new Error(`${method}: the connection to the browser is closed`));
    }
    this.#pending.clear();
  }
}
