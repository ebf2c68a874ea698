/**
 * An HTTP server in the shape of Consul's health endpoint.
 *
 * @module
 */

/** One instance of a service. */
export interface ConsulInstance {
  /** Address of the service; empty, as Consul has it, when it is the node's. */
  address: string;
  /** Port of the service. */
  port: number;
  /** Address of the node it runs on. Default: 127.0.0.1. */
  nodeAddress?: string;
  /** Whether its checks pass. Default: true. */
  passing?: boolean;
  /** Default: none. */
  tags?: readonly string[];
  /** Default: none. */
  meta?: Record<string, string>;
}

/**
 * How a server is: `answer` from the table, `silent` (the request hangs), answering only
 * after some milliseconds, or with a status and body of its own.
 */
export type ConsulMood =
  | "answer"
  | "silent"
  | { delayMs: number }
  | { status: number; body: string };

/**
 * A running server that knows `GET /v1/health/service/<name>`, with `passing` and `tag` in
 * the query, and nothing else.
 *
 * @example
 * ```ts
 * await using consul = ConsulServer.start({ redis: [{ address: "10.0.0.7", port: 6379 }] });
 * await (await fetch(`${consul.url}/v1/health/service/redis?passing`)).json();
 * ```
 */
export class ConsulServer implements AsyncDisposable {
  /** `http://127.0.0.1:<port>`. */
  readonly url: string;
  /** The table: service → instances. It may be changed at any time. */
  readonly services: Map<string, ConsulInstance[]>;
  /** Path and query of every request, in order. */
  readonly requests: string[] = [];
  /** How it answers from now on. */
  mood: ConsulMood = "answer";
  readonly #token: string | undefined;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #ending = new AbortController();

  private constructor(
    services: Record<string, ConsulInstance[]>,
    token: string | undefined,
  ) {
    this.services = new Map(Object.entries(services));
    this.#token = token;
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#handle(request),
    );
    this.url = `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /**
   * Starts a server with a table.
   *
   * @param options.token What requests must carry as `X-Consul-Token`. Default: nothing.
   */
  static start(
    services: Record<string, ConsulInstance[]> = {},
    options: { token?: string } = {},
  ): ConsulServer {
    return new ConsulServer(services, options.token);
  }

  /** Stops the server; requests that hang are answered with 503. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#server.shutdown();
  }

  async #handle(request: Request): Promise<Response> {
    const { pathname, search, searchParams } = new URL(request.url);
    this.requests.push(pathname + search);
    const { mood } = this;
    if (mood === "silent") return await this.#hang();
    if (typeof mood === "object" && "status" in mood) {
      return new Response(mood.body, { status: mood.status });
    }
    if (typeof mood === "object") await this.#hang(mood.delayMs);
    if (
      this.#token !== undefined && request.headers.get("X-Consul-Token") !== this.#token
    ) {
      return new Response("Permission denied", { status: 403 });
    }
    const [, name] = pathname.match(/^\/v1\/health\/service\/([^/]+)$/) ?? [];
    if (request.method !== "GET" || name === undefined) {
      return new Response("", { status: 404 });
    }
    const entries = (this.services.get(decodeURIComponent(name)) ?? [])
      .filter(({ passing = true }) => passing || !asksPassing(searchParams))
      .filter(({ tags = [] }) =>
        searchParams.getAll("tag").every((tag) => tags.includes(tag))
      )
      .map((instance, index) => entry(name, instance, index));
    return Response.json(entries, { headers: { "X-Consul-Index": "1" } });
  }

  /** Resolves after `ms`, or when the server is stopped. */
  #hang(ms?: number): Promise<Response> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#ending.signal.removeEventListener("abort", end);
        resolve(new Response("", { status: 503 }));
      };
      const timer = ms === undefined ? undefined : setTimeout(end, ms);
      if (this.#ending.signal.aborted) end();
      else this.#ending.signal.addEventListener("abort", end);
    });
  }
}

// As Consul reads it: the bare word means true.
function asksPassing(query: URLSearchParams): boolean {
  const value = query.get("passing");
  return value !== null && !["0", "f", "false"].includes(value.toLowerCase());
}

function entry(name: string, instance: ConsulInstance, index: number): unknown {
  const { address, port, nodeAddress = "127.0.0.1", passing = true } = instance;
  const { tags = [], meta = {} } = instance;
  const id = `${name}-${index + 1}`;
  return {
    Node: { ID: `node-${index + 1}`, Node: `node-${index + 1}`, Address: nodeAddress },
    Service: {
      ID: id,
      Service: name,
      Tags: tags,
      Address: address,
      Meta: meta,
      Port: port,
    },
    Checks: [{
      CheckID: `service:${id}`,
      ServiceID: id,
      ServiceName: name,
      Status: passing ? "passing" : "critical",
    }],
  };
}
