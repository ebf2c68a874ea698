import { BOOLEAN, duration, integer, number } from "./kinds.ts";
import { rows, type Setting } from "./setting.ts";

/** Settings of retries and of the breaker. */
export const RESILIENCE_SETTINGS: readonly Setting[] = rows(false, [
  {
    key: "retryOnTimeout",
    yaml: "retry_on_timeout",
    kind: BOOLEAN,
    default: true,
    description: "Whether reading commands are tried again after a lost connection.",
  },
  {
    key: "maxRetries",
    yaml: "max_retries",
    aliases: ["retry_attempts"],
    kind: integer(0, 1000),
    default: 3,
    description: "Most retries of one command.",
  },
  {
    key: "retryDelayMs",
    yaml: "retry_delay",
    kind: duration(0),
    default: 50,
    description: "First wait before a command's retry.",
  },
  {
    key: "retryWrites",
    yaml: "retry_writes",
    kind: BOOLEAN,
    default: false,
    description: "Whether ambiguous writes are sent again, and may run twice.",
  },
  {
    key: "retryBudget.ratio",
    yaml: "retry_budget.ratio",
    kind: number(0, 10),
    default: 0.2,
    description: "Retries for each command, as a share.",
  },
  {
    key: "retryBudget.minPerSecond",
    yaml: "retry_budget.min_per_second",
    kind: number(0, 1_000_000),
    default: 10,
    description: "Retries a second that are always allowed.",
  },
  {
    key: "connectRetry.attempts",
    yaml: "connect_retry.attempts",
    kind: integer(1, 1000),
    default: 5,
    description: "Attempts to connect altogether.",
  },
  {
    key: "connectRetry.minMs",
    yaml: "connect_retry.min",
    kind: duration(0),
    default: 2000,
    description: "Wait before the second attempt to connect.",
  },
  {
    key: "connectRetry.maxMs",
    yaml: "connect_retry.max",
    kind: duration(0),
    default: 30_000,
    description: "Longest wait between attempts to connect.",
  },
  {
    key: "connectRetry.multiplier",
    yaml: "connect_retry.multiplier",
    kind: number(1, 100),
    default: 2,
    description: "What the wait between attempts to connect grows by each time.",
  },
  {
    key: "connectRetry.jitter",
    yaml: "connect_retry.jitter",
    kind: number(0, 1),
    default: 1,
    description: "Share of the wait between attempts to connect that is random.",
  },
  {
    key: "circuitBreakerThreshold",
    yaml: "circuit_breaker_threshold",
    kind: integer(1, 1_000_000),
    default: 5,
    description: "Consecutive failures that open the breaker.",
  },
  {
    key: "circuitBreakerTimeoutMs",
    yaml: "circuit_breaker_timeout",
    kind: duration(1),
    default: 60_000,
    description: "How long callers wait for a probe while the breaker is open.",
  },
]);
