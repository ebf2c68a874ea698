import type { IORedisPipeline } from "../connection/library_types.ts";
import {
  type BatchResult,
  PipelineError,
  RedisManagerError,
} from "../core/errors/mod.ts";
import type { RedisClient } from "./client.ts";

/** How the outcome of a pipeline is told. */
export interface PipelineOptions {
  /** `true` gives what became of each command instead of throwing. Default `false`. */
  settle?: boolean;
}

/**
 * Fills a pipeline and sends it.
 *
 * @param client The database's client.
 * @param database Name of the database.
 * @param fill Adds the commands.
 * @param options How the outcome is told.
 * @returns The replies in order, or what became of each command.
 * @throws {PipelineError} If a command failed and `settle` is not set.
 */
export async function runPipeline(
  client: RedisClient,
  database: string,
  fill: (pipeline: IORedisPipeline) => unknown,
  options: PipelineOptions,
): Promise<unknown[]> {
  const pipeline = client.pipeline();
  await fill(pipeline);
  const replies = await pipeline.exec() ?? [];
  const results = replies.map(([error, value]): BatchResult => {
    if (error === null) return { ok: true, value };
    const delivery = error instanceof RedisManagerError ? error.delivery : undefined;
    return { ok: false, error, delivery: delivery ?? "rejected" };
  });
  if (options.settle === true) return results;
  if (results.some((result) => !result.ok)) throw new PipelineError(database, results);
  return results.map((result) => result.ok ? result.value : undefined);
}
