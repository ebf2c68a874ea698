/**
 * Names of OpenTelemetry's semantic conventions for databases, as of 1.44; those of
 * operations are stable, those of connection pools and of Redis still in development.
 */

/** Names of attributes. */
export const ATTRIBUTE = {
  system: "db.system.name",
  namespace: "db.namespace",
  operation: "db.operation.name",
  batchSize: "db.operation.batch.size",
  queryText: "db.query.text",
  statusCode: "db.response.status_code",
  serverAddress: "server.address",
  serverPort: "server.port",
  errorType: "error.type",
  poolName: "db.client.connection.pool.name",
  connectionState: "db.client.connection.state",
  /** How often a command was sent again; there is no convention for it. */
  retries: "mooring.retries",
  /** What a connection was opened for, `lane` or `lease`; a concept of this package. */
  purpose: "mooring.connection.purpose",
} as const;

/** Names of metrics. */
export const METRIC = {
  duration: "db.client.operation.duration",
  /** The same of commands that block: how long they wait says nothing of the server. There
   * is no convention for it. */
  blockingDuration: "mooring.client.blocking_operation.duration",
  count: "db.client.connection.count",
  idleMax: "db.client.connection.idle.max",
  idleMin: "db.client.connection.idle.min",
  max: "db.client.connection.max",
  pending: "db.client.connection.pending_requests",
  timeouts: "db.client.connection.timeouts",
  createTime: "db.client.connection.create_time",
  waitTime: "db.client.connection.wait_time",
  useTime: "db.client.connection.use_time",
} as const;

/** The database system. */
export const SYSTEM = "redis";

/** Bounds, in seconds, that the conventions advise for the duration of operations; the
 * times of connections have no advice, and those that an SDK takes are of milliseconds. */
export const SECONDS_BOUNDS: readonly number[] = [
  ...[0.001, 0.005, 0.01, 0.05, 0.1, 0.5],
  ...[1, 5, 10],
];
