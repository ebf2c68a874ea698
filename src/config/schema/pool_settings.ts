import { integer, text } from "./kinds.ts";
import { rows, type Setting } from "./setting.ts";

/** Most connections that may be asked for. */
const MAX_CONNECTIONS = 100_000;

/** Settings of sizes: how many of what a database may have. */
export const SIZE_SETTINGS: readonly Setting[] = rows(false, [
  {
    key: "keyPrefix",
    yaml: "key_prefix",
    kind: text("any", 1024),
    default: "",
    description: "What is put before each key.",
  },
  {
    key: "maxConnections",
    yaml: "max_connections",
    kind: integer(1, MAX_CONNECTIONS),
    default: 20,
    description:
      "Most connections, lanes and leases together; in a cluster of each node.",
  },
  {
    key: "minConnections",
    yaml: "min_connections",
    kind: integer(0, MAX_CONNECTIONS),
    default: 0,
    description: "Connections for leases kept ready, once one has opened.",
  },
  {
    key: "maxLanes",
    yaml: "max_lanes",
    kind: integer(1, 1000),
    default: 1,
    description: "Most shared connections.",
  },
  {
    key: "maxWaiting",
    yaml: "max_waiting",
    kind: integer(0, 10_000_000),
    default: 10_000,
    description: "Most callers that wait for a connection; more are refused at once.",
  },
]);
