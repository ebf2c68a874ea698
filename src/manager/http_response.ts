import type { Clock } from "../core/clock.ts";
import { PROMETHEUS_CONTENT_TYPE } from "../observability/prometheus.ts";
import type { DatabaseHealth } from "../observability/types.ts";

/** How long a database may take to answer when readiness is asked for, in milliseconds:
 * an orchestrator gives the whole request 1 s where it is not told otherwise. */
const ANSWER_WITHIN_MS = 800;

const JSON_CONTENT_TYPE = "application/json; charset=utf-8";

/** A database, as far as readiness goes. */
export interface Probed {
  /** Its name. */
  readonly name: string;
  /** How well it serves, as far as is known. */
  health(): DatabaseHealth;
  /** Asks its server now, and says whether it serves. */
  check(): Promise<boolean>;
}

/** Whose health is told: a manager. */
export interface HealthSource {
  /** Whether it takes no more commands. */
  isClosed(): boolean;
  /** How long it has lived, in seconds. */
  uptimeSeconds(): number;
  /** Its databases. */
  databases(): Iterable<Probed>;
  /** Its text metrics. */
  metrics(): string;
}

/** What `/readyz` says of one database. */
interface Readiness {
  readonly ready: boolean;
  readonly state: string;
  readonly reason: string;
  readonly since: string;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Answers the requests of orchestrators, load balancers and metrics collectors: `/healthz`,
 * `/readyz` and `/metrics`. However many ask at once, each database is asked once at a
 * time; a question that is not answered yet is joined, not repeated.
 */
export class HealthEndpoint {
  readonly #source: HealthSource;
  readonly #clock: Clock;
  readonly #asked = new Map<string, Promise<boolean>>();

  /**
   * Makes the endpoint; asks nobody yet.
   *
   * @param source Whose health is told.
   * @param clock Time.
   */
  constructor(source: HealthSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /**
   * Answers one request.
   *
   * @param request The request; its path and method count, and `?database=` of `/readyz`.
   * @returns The response; never an exception.
   */
  async respond(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const answer = await this.#answer(pathname, searchParams, request.method);
    const { status, type, body, headers } = answer;
    return new Response(request.method === "HEAD" ? null : body, {
      status,
      headers: {
        "content-type": type,
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        ...headers,
      },
    });
  }

  async #answer(
    path: string,
    query: URLSearchParams,
    method: string,
  ): Promise<Answer> {
    const answers: Record<string, () => Answer | Promise<Answer>> = {
      "/healthz": () => this.#liveness(),
      "/readyz": () => this.#readiness(query.getAll("database")),
      "/metrics": () => ({
        status: 200,
        type: PROMETHEUS_CONTENT_TYPE,
        body: this.#source.metrics(),
      }),
    };
    const found = Object.hasOwn(answers, path) ? answers[path]! : undefined;
    if (found === undefined) return json(404, { error: "not found" });
    if (method === "GET" || method === "HEAD") return await found();
    const refusal = json(405, { error: `method ${method} is not allowed` });
    return { ...refusal, headers: { allow: "GET, HEAD" } };
  }

  #liveness(): Answer {
    const uptimeSeconds = this.#source.uptimeSeconds();
    return this.#source.isClosed()
      ? json(503, { status: "closed", uptimeSeconds })
      : json(200, { status: "ok", uptimeSeconds });
  }

  async #readiness(names: readonly string[]): Promise<Answer> {
    if (this.#source.isClosed()) return json(503, { status: "closed", databases: {} });
    const all = [...this.#source.databases()];
    const unknown = names.find((name) => !all.some((each) => each.name === name));
    if (unknown !== undefined) {
      return json(404, { error: `there is no database "${unknown}"` });
    }
    const asked = names.length === 0
      ? all
      : all.filter(({ name }) => names.includes(name));
    const entries = await Promise.all(
      asked.map(async (each) => [each.name, await this.#judge(each)] as const),
    );
    const isReady = entries.every(([, { ready }]) => ready);
    return json(isReady ? 200 : 503, {
      status: isReady ? "ready" : "not ready",
      databases: Object.fromEntries(entries),
    });
  }

  async #judge(database: Probed): Promise<Readiness> {
    const answered = await this.#askInTime(database);
    const { state, reason, since } = database.health();
    const isKnown = state !== "healthy";
    return {
      ready: answered === true,
      state,
      reason: answered === true || isKnown
        ? reason
        : answered === false
        ? "its server does not serve"
        : `no answer within ${ANSWER_WITHIN_MS} ms`,
      since,
    };
  }

  /** Whether the server serves; `undefined` if that is not known in time. */
  #askInTime(database: Probed): Promise<boolean | undefined> {
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(() => resolve(undefined), ANSWER_WITHIN_MS);
      this.#ask(database).then((answered) => {
        timer.cancel();
        resolve(answered);
      });
    });
  }

  #ask(database: Probed): Promise<boolean> {
    const { name } = database;
    const pending = this.#asked.get(name);
    if (pending !== undefined) return pending;
    const asking = database.check()
      .catch(() => false)
      .finally(() => this.#asked.delete(name));
    this.#asked.set(name, asking);
    return asking;
  }
}

function json(status: number, value: unknown): Answer {
  return { status, type: JSON_CONTENT_TYPE, body: `${JSON.stringify(value)}\n` };
}
