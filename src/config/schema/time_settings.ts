import { BOOLEAN, duration, integer } from "./kinds.ts";
import { rows, type Setting } from "./setting.ts";

/** Settings of durations, and of the keepalive that they belong to. */
export const TIME_SETTINGS: readonly Setting[] = rows(false, [
  {
    key: "commandTimeoutMs",
    yaml: "socket_timeout",
    aliases: ["timeout", "timeout_seconds"],
    kind: duration(1),
    default: 5000,
    description: "Deadline of a command.",
  },
  {
    key: "connectTimeoutMs",
    yaml: "socket_connect_timeout",
    kind: duration(1),
    default: 5000,
    description: "Deadline of one attempt to connect.",
  },
  {
    key: "acquireTimeoutMs",
    yaml: "acquire_timeout",
    kind: duration(1),
    default: 3000,
    description: "Deadline of the wait for a connection.",
  },
  {
    key: "idleTimeoutMs",
    yaml: "idle_timeout",
    kind: duration(1),
    default: 300_000,
    description: "Idle connections are closed after this.",
  },
  {
    key: "maxLifetimeMs",
    yaml: "max_lifetime",
    kind: duration(0),
    default: 1_800_000,
    description: "Connections are replaced after this, with jitter; 0 = never.",
  },
  {
    key: "loadingTimeoutMs",
    yaml: "loading_timeout",
    kind: duration(1),
    default: 60_000,
    description: "Longest wait for a server that loads its data.",
  },
  {
    key: "leakDetectionThresholdMs",
    yaml: "leak_detection_threshold",
    kind: duration(0),
    default: 0,
    description: "Leases held longer are reported with the stack; 0 = off.",
  },
  {
    key: "healthCheckIntervalMs",
    yaml: "health_check_interval",
    kind: duration(0),
    default: 30_000,
    description: "Time of the idle heartbeat, and most between health checks; 0 = off.",
  },
  {
    key: "socketKeepalive",
    yaml: "socket_keepalive",
    kind: BOOLEAN,
    default: true,
    description: "Whether TCP keepalive is set.",
  },
  {
    key: "socketKeepaliveOptions.idleMs",
    yaml: "socket_keepalive_options.idle",
    kind: duration(1000, 32_767_000),
    default: 600_000,
    description: "Silence before the first keepalive probe.",
  },
  {
    key: "socketKeepaliveOptions.intervalMs",
    yaml: "socket_keepalive_options.interval",
    kind: duration(1000, 32_767_000),
    default: 60_000,
    description: "Time between keepalive probes.",
  },
  {
    key: "socketKeepaliveOptions.count",
    yaml: "socket_keepalive_options.count",
    kind: integer(1, 127),
    default: 5,
    description: "Unanswered keepalive probes before the socket is dead.",
  },
]);
