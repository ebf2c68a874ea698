import { assertEquals } from "@std/assert";
import {
  AuthError,
  CircuitOpenError,
  CommandTimeoutError,
  ConfigError,
  ConnectError,
  type ErrorCode,
  InitializationError,
  type MooringError,
  NotReadyError,
  type RedisManagerError,
  type ReplyError,
} from "../../../mod.ts";

/** Fails to compile unless both are the same type. */
type Same<A, B> = [A] extends [B] ? [B] extends [A] ? true : never : never;

/** What `switch (error.code)` narrows to must be what has that code. */
function describe(error: MooringError): string {
  switch (error.code) {
    case "CONNECT":
      return `${error.endpoint} ${error.attempts} ${error.reason}`;
    case "AUTH": {
      const narrowed: Same<typeof error, AuthError> = true;
      return `${narrowed} ${error.endpoint}`;
    }
    case "CIRCUIT_OPEN":
      return `${error.retryAfterMs}`;
    case "COMMAND_TIMEOUT":
      return `${error.command} ${error.timeoutMs}`;
    case "NOT_READY":
      return `${error.etaSeconds}`;
    case "CONFIG":
      return `${error.problems.length}`;
    case "INITIALIZATION":
      return Object.keys(error.failures).join();
    case "REPLY": {
      const narrowed: Same<typeof error, ReplyError> = true;
      return `${narrowed} ${error.replyCode} ${error.database.length}`;
    }
    case "ACQUIRE_TIMEOUT":
      return `${error.waiting}`;
    case "OVERLOADED":
      return `${error.limit}`;
    case "PIPELINE":
    case "TRANSACTION":
      return `${error.results.length}`;
    case "PARTIAL":
      return `${error.command} ${error.parts.length}`;
    case "TRANSACTION_CONFLICT":
      return error.keys.join();
    case "UNKNOWN_DATABASE":
      return error.available.join();
    case "DECODE":
      return error.key;
    case "LOCK":
      return error.lock;
    case "DURABILITY":
      return `${error.replicas} of ${error.wanted}`;
    case "COMMAND_ABORTED":
    case "COMMAND_REFUSED":
      return error.command;
    case "CONNECTION_LOST":
    case "PROTOCOL":
    case "LEASE_RELEASED":
    case "MANAGER_CLOSED":
      return error.message;
    default: {
      // A code that is left out above fails here, at compile time.
      const rest: never = error;
      return rest;
    }
  }
}

Deno.test("MooringError has every code, and its `code` tells the class", () => {
  const allCodes: Same<MooringError["code"], ErrorCode | "REPLY"> = true;
  const allOurs: Same<
    Exclude<MooringError, ReplyError> extends RedisManagerError ? true : false,
    true
  > = true;
  assertEquals([allCodes, allOurs], [true, true]);
  const connect = new ConnectError("main", "a:1", "connection refused", { attempts: 2 });
  const failed: readonly (readonly [MooringError, string])[] = [
    [connect as ConnectError & { code: "CONNECT" }, "a:1 2 connection refused"],
    [new AuthError("main", "a:1", "WRONGPASS"), "true a:1"],
    [new CircuitOpenError("main", 1500), "1500"],
    [new CommandTimeoutError("main", "get", 5000, "never-sent"), "get 5000"],
    [new NotReadyError("main", "LOADING", 1, { etaSeconds: 3 }), "3"],
    [new ConfigError([{ origin: "env", key: "k", message: "m" }]), "1"],
    [new InitializationError({ main: connect }, 1), "main"],
  ];
  for (const [error, text] of failed) assertEquals(describe(error), text);
});

Deno.test("what waited for a connection says why there was none, once", () => {
  const refused = Object.assign(new Error("connection refused"), {
    code: "ECONNREFUSED",
  });
  const cause = new ConnectError("main", "127.0.0.1:1", "connection refused", {
    attempts: 3,
    cause: refused,
  });
  const waited = { attempts: 0, elapsed: { waitingMs: 5000 } };
  const error = new CommandTimeoutError(
    "main",
    "get",
    5000,
    "never-sent",
    waited,
    cause,
  );
  assertEquals(
    error.message,
    'Cannot finish GET on database "main" within 5000 ms: it was not sent and will not ' +
      "run (waiting 5000 ms); cannot reach 127.0.0.1:1 after 3 attempts: connection " +
      "refused",
  );
  assertEquals([error.attempts, error.cause], [3, cause]);
  // One that was sent before has attempts of its own.
  const spent = { attempts: 1, elapsed: { waitingMs: 10 } };
  const sent = new CommandTimeoutError("main", "get", 10, "never-sent", spent, cause);
  assertEquals(sent.attempts, 1);
});

Deno.test("AuthError carries the server's refusal as its cause", () => {
  const refused = new Error("WRONGPASS invalid username-password pair");
  const error = new AuthError("main", "a:1", refused.message, refused);
  assertEquals([error.cause, error.attempts, error.retryable], [refused, 1, false]);
});

Deno.test("InitializationError names each database, where it is and why, once", () => {
  const refused = new ConnectError("far", "a:1", "connection refused", { attempts: 5 });
  const error = new InitializationError({ far: refused, odd: new Error("no file") }, 3);
  assertEquals(
    error.message,
    'Cannot connect 2 of 3 databases: "far" at a:1 after 5 attempts: connection refused; ' +
      '"odd": no file',
  );
});
