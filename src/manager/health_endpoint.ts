import type { Clock } from "../core/clock.ts";
import { PROMETHEUS_CONTENT_TYPE } from "../observability/prometheus_text.ts";
import type { Topology } from "../server/topology.ts";

/** How long a database may take to answer a readiness probe, in milliseconds: an
 * orchestrator gives the whole request 1 s by default. */
const ANSWER_WITHIN_MS = 800;

/** A database, as far as readiness goes. */
export interface Probed {
  readonly name: string;
  readonly servers: Pick<Topology, "check" | "health">;
}

/** The manager that the endpoint reports on. */
export interface HealthSource {
  isClosed(): boolean;
  uptimeSeconds(): number;
  databases(): readonly Probed[];
  /** Its text metrics. */
  metrics(): string;
}

const PATHS = ["/healthz", "/readyz", "/metrics"];

/**
 * Answers the requests of orchestrators, load balancers and metrics collectors: `/healthz`,
 * `/readyz` and `/metrics`. Each database is checked once at a time, however many requests
 * come: a request joins the check that is under way.
 */
export class HealthEndpoint {
  readonly #source: HealthSource;
  readonly #clock: Clock;
  readonly #checks = new Map<string, Promise<boolean>>();

  constructor(source: HealthSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /** Answers one request; never rejects. */
  async respond(request: Request): Promise<Response> {
    const response = await this.#answer(request);
    response.headers.set("cache-control", "no-store");
    response.headers.set("x-content-type-options", "nosniff");
    return request.method === "HEAD" ? new Response(null, response) : response;
  }

  #answer({ method, url }: Request): Response | Promise<Response> {
    const { pathname, searchParams } = new URL(url);
    if (!PATHS.includes(pathname)) return json(404, { error: "not found" });
    if (method !== "GET" && method !== "HEAD") {
      const error = `method ${method} is not allowed`;
      return json(405, { error }, { allow: "GET, HEAD" });
    }
    if (pathname === "/metrics") {
      const headers = { "content-type": PROMETHEUS_CONTENT_TYPE };
      return new Response(this.#source.metrics(), { headers });
    }
    const isClosed = this.#source.isClosed();
    if (pathname === "/readyz") {
      return isClosed
        ? json(503, { status: "closed", databases: {} })
        : this.#readiness(searchParams.getAll("database"));
    }
    const status = isClosed ? "closed" : "ok";
    const uptimeSeconds = this.#source.uptimeSeconds();
    return json(isClosed ? 503 : 200, { status, uptimeSeconds });
  }

  async #readiness(names: readonly string[]): Promise<Response> {
    const all = this.#source.databases();
    const unknown = names.find((name) => !all.some((each) => each.name === name));
    if (unknown !== undefined) {
      return json(404, { error: `there is no database "${unknown}"` });
    }
    const asked = all.filter(({ name }) => names.length === 0 || names.includes(name));
    const entries = await Promise.all(
      asked.map(async (each) => [each.name, await this.#readinessOf(each)] as const),
    );
    const isReady = entries.every(([, { ready }]) => ready);
    return json(isReady ? 200 : 503, {
      status: isReady ? "ready" : "not ready",
      databases: Object.fromEntries(entries),
    });
  }

  async #readinessOf(database: Probed) {
    const serves = await this.#checkInTime(database);
    const { state, reason, since } = database.servers.health();
    if (serves === true || state !== "healthy") {
      return { ready: serves === true, state, reason, since };
    }
    const why = serves === false
      ? "its server does not serve"
      : `no answer within ${ANSWER_WITHIN_MS} ms`;
    return { ready: false, state, reason: why, since };
  }

  /** Whether the server serves; `undefined` if it does not answer in time. */
  #checkInTime(database: Probed): Promise<boolean | undefined> {
    const { promise, resolve } = Promise.withResolvers<boolean | undefined>();
    const timer = this.#clock.setTimer(() => resolve(undefined), ANSWER_WITHIN_MS);
    this.#check(database).then((serves) => {
      timer.cancel();
      resolve(serves);
    });
    return promise;
  }

  #check(database: Probed): Promise<boolean> {
    const { name } = database;
    const check = this.#checks.get(name) ?? database.servers.check()
      .catch(() => false)
      .finally(() => this.#checks.delete(name));
    this.#checks.set(name, check);
    return check;
  }
}

function json(status: number, value: unknown, headers: HeadersInit = {}): Response {
  return new Response(`${JSON.stringify(value)}\n`, {
    status,
    headers: { "content-type": "application/json; charset=utf-8", ...headers },
  });
}
