/** The libraries that are tested, by what they are for. */

/** A library and its program. */
export interface LibraryTest {
  /** Its name and major version, as in `src/LIBRARIES.md`. */
  readonly library: string;
  /** Name of the program in `programs/`, without `.ts`. */
  readonly program: string;
  /** Most connections that the program takes, on clients of the manager; `src/LIBRARIES.md`
   * has what that comes to in general. Default: 1. */
  readonly connections?: number;
  /** Whether it belongs to the whole suite, too, not only to `deno task test:libraries`. */
  readonly always?: boolean;
}

/** Groups that are tested beside each other; the libraries of one, one after the other. */
export const LIBRARIES = {
  queues: [
    { library: "bullmq 6", program: "bullmq_6", connections: 3, always: true },
    { library: "bullmq 5", program: "bullmq_5", connections: 3 },
    { library: "bull 4", program: "bull_4", connections: 3 },
    { library: "bee-queue 2", program: "bee_queue_2", connections: 10 },
  ],
  messages: [
    {
      library: "@socket.io/redis-adapter 8",
      program: "socket_io_redis_adapter_8",
      connections: 3,
      always: true,
    },
    {
      library: "@socket.io/redis-streams-adapter 0.3",
      program: "socket_io_streams_adapter_0",
      connections: 5,
    },
    {
      library: "graphql-redis-subscriptions 2",
      program: "graphql_redis_subscriptions_2",
      connections: 2,
    },
  ],
  limits: [
    { library: "rate-limiter-flexible 11", program: "rate_limiter_flexible_11" },
    { library: "rate-limit-redis 6", program: "rate_limit_redis_6" },
    { library: "@fastify/rate-limit 11", program: "fastify_rate_limit_11" },
    { library: "bottleneck 2", program: "bottleneck_2", connections: 3 },
  ],
  locks: [
    { library: "redlock 5", program: "redlock_5" },
    { library: "@sesamecare-oss/redlock 1", program: "sesamecare_redlock_1" },
  ],
  stores: [
    { library: "@keyv/redis 3", program: "keyv_redis_3" },
    { library: "@keyv/valkey 1", program: "keyv_valkey_1" },
    { library: "cache-manager 7", program: "cache_manager_7" },
    { library: "unstorage 1", program: "unstorage_1" },
  ],
  servers: [
    { library: "@fastify/redis 9", program: "fastify_redis_9" },
    { library: "connect-redis 10", program: "connect_redis_10" },
    { library: "@hono/session 0.2", program: "hono_session_0" },
  ],
} as const satisfies Record<string, readonly LibraryTest[]>;
