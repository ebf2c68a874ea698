/** Every error that this package throws: one class for each case that callers handle. */
export {
  ConfigError,
  type ConfigProblem,
  type Delivery,
  type ErrorCode,
  type PhaseTimes,
  RedisManagerError,
  type RedisManagerErrorOptions,
  UnknownDatabaseError,
} from "./base.ts";
export {
  type BatchResult,
  CommandAbortedError,
  CommandRefusedError,
  CommandTimeoutError,
  PipelineError,
  TransactionConflictError,
  TransactionError,
} from "./command.ts";
export {
  AuthError,
  CircuitOpenError,
  ConnectError,
  ConnectionLostError,
  InitializationError,
  NotReadyError,
  ProtocolError,
} from "./connection.ts";
export {
  AcquireTimeoutError,
  LeaseReleasedError,
  ManagerClosedError,
  OverloadedError,
} from "./pool.ts";
