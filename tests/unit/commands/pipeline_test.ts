import { assertEquals, assertRejects } from "@std/assert";
import { type PipelineParts, runPipeline } from "../../../src/commands/pipeline.ts";
import { type IORedisCommand, Redis } from "../../../src/connection/ioredis.ts";
import { ConnectionLostError, PipelineError } from "../../../src/core/errors/mod.ts";
import { CommandClassifier } from "../../../src/resilience/command_class.ts";

/** More than the arguments that one call takes. */
const MANY = 200_000;

/** What a pipeline needs, where every command fails; and what its span ended with. */
function failing(error: Error) {
  const classifier = new CommandClassifier(() => []);
  const ends: unknown[] = [];
  const parts: PipelineParts = {
    config: { name: "main", decodeResponses: true },
    client: new Redis({ lazyConnect: true }),
    classify: ({ name, args }) => classifier.resolve(name, args),
    send: (commands: readonly IORedisCommand[]) => {
      for (const command of commands) command.reject(error);
    },
    observer: {
      command: () => {},
      commands: () => {},
      batch: () => (error) => void ends.push(error),
    },
  };
  return { ends, parts };
}

Deno.test("runPipeline() reports any number of failed commands, and ends its span once", async () => {
  const lost = new ConnectionLostError("main", "incr", "ambiguous", "reset");
  const { ends, parts } = failing(lost);
  const error = await assertRejects(
    () =>
      runPipeline(parts, (p) => {
        for (let i = 0; i < MANY; i++) p.call("incr", "n");
      }, {}),
    PipelineError,
  );
  assertEquals([error.failed.length, ends], [MANY, [lost]]);
});

Deno.test("runPipeline() says ambiguous of an error that nothing is known of", async () => {
  const { parts } = failing(new Error("the reply could not be read"));
  const [result] = await runPipeline(parts, (p) => void p.call("incr", "n"), {
    settle: true,
  }) as { ok: boolean; delivery?: string }[];
  assertEquals([result!.ok, result!.delivery], [false, "ambiguous"]);
});
