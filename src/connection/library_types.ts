/**
 * The client library's types that appear in this package's own, under names of their
 * own: what they have is documented by the library.
 */

/** A client of ioredis: every command, its pipelines, its events. Replies are typed as the
 * setting `replyMapping` gives them. */
export type IORedis<Mapping extends "legacy" | "resp3" = "legacy"> = ReturnType<
  (library: typeof import("ioredis")) => InstanceType<typeof library.Redis<Mapping>>
>;

/** A pipeline of ioredis: every command, each returning the pipeline. */
export type IORedisPipeline = ReturnType<IORedis["pipeline"]>;

/** One command of ioredis, with its name, arguments and promise. */
export type IORedisCommand = InstanceType<(typeof import("ioredis"))["Command"]>;
