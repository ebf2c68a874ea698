/** Every error that this package throws, one class for what callers tell apart. */
export * from "./base.ts";
export * from "./command.ts";
export * from "./config.ts";
export * from "./connection.ts";
export * from "./pool.ts";
