/**
 * The named databases of the seed and their numbers: 18 names over the 16 databases
 * of a default Redis server. `MEMORY` shares with `MODELS`, `TESTING` with
 * `TIMESERIES`.
 *
 * The configuration decides where a name lives; the number here is what the name
 * gets when the configuration says nothing.
 *
 * @example Usage
 * ```ts
 * import { RedisDatabase } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(RedisDatabase.KNOWLEDGE, 1);
 * assertEquals(RedisDatabase[1], "KNOWLEDGE");
 * ```
 */
export enum RedisDatabase {
  /** Main application data. */
  MAIN = 0,
  /** Knowledge base and documents. */
  KNOWLEDGE = 1,
  /** Prompt templates. */
  PROMPTS = 2,
  /** Agent communication. */
  AGENTS = 3,
  /** Performance metrics. */
  METRICS = 4,
  /** Logs. */
  LOGS = 5,
  /** User sessions. */
  SESSIONS = 6,
  /** Workflow state. */
  WORKFLOWS = 7,
  /** Vectors. */
  VECTORS = 8,
  /** Models. */
  MODELS = 9,
  /** Memory; shares the models' number. */
  MEMORY = 9,
  /** Audit log. */
  AUDIT = 10,
  /** Analytics. */
  ANALYTICS = 11,
  /** Notifications. */
  NOTIFICATIONS = 12,
  /** Jobs. */
  JOBS = 13,
  /** Search. */
  SEARCH = 14,
  /** Time series. */
  TIMESERIES = 15,
  /** Tests; shares the time series' number. */
  TESTING = 15,
}
