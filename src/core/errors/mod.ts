/** Every error that this package throws: one class for each case that callers handle. */
export * from "./base.ts";
export * from "./command.ts";
export * from "./connection.ts";
export * from "./pool.ts";
export * from "./writes.ts";
