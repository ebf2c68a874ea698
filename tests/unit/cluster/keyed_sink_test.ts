import { assertEquals } from "@std/assert";
import { KeyedSink } from "../../../src/cluster/keyed_sink.ts";
import { RedisConfigLoader } from "../../../src/config/mod.ts";
import { classifier } from "../../../src/connection/command_arguments.ts";
import { Command, LibraryReplyError } from "../../../src/connection/ioredis.ts";
import {
  type PendingCommand,
  settleFailed,
  track,
} from "../../../src/connection/pending_command.ts";
import { drainMicrotasks, FakeClock } from "../../../src/testing/fake_clock.ts";

const OWNER = { replied: () => {}, failed: settleFailed };

/** A sink in a cluster in front of a server that says something of commands. */
function makeBench(describe: (command: string) => unknown) {
  const config = RedisConfigLoader.fromOptions({
    mode: "cluster",
    nodes: ["127.0.0.1:7000"],
    databases: { main: {} },
  }).databases.main!;
  const sent: PendingCommand[] = [];
  const asked: string[] = [];
  const sink = new KeyedSink(config, {
    submit: (command) => {
      if (command.name !== "command") return void sent.push(command);
      const [, name] = command.args as string[];
      asked.push(name!);
      const reply = describe(name!);
      if (reply instanceof Error) command.reject(reply);
      else command.resolve([reply] as never);
    },
    submitBatch: (commands) => void sent.push(...commands),
    commandFinished: () => {},
  }, new FakeClock());
  const submit = async (name: string, ...args: string[]) => {
    const command = track(new Command(name, args), OWNER, 5000);
    command.tracking.info = classifier.resolve(name, args);
    sink.submit(command);
    await drainMicrotasks();
    return sent.at(-1)!.tracking.info!.spread;
  };
  return { sent, asked, submit };
}

/** An entry of COMMAND INFO. */
const entry = (name: string, tips: string[], subcommands: unknown[] = []) =>
  [name, 1, [], 0, 0, 0, [], tips, [], subcommands] as unknown[];

Deno.test("how a cluster runs a command is what the server's tips say, asked once", async () => {
  const { asked, submit } = makeBench((name) =>
    name === "script"
      ? entry("script", [], [
        entry("script|load", ["request_policy:all_shards", "response_policy:agg_max"]),
        entry("script|flush", ["request_policy:all_nodes"]),
      ])
      : entry(name, ["request_policy:all_shards", "response_policy:agg_min"])
  );
  const least = { request: "all_shards", response: "agg_min" };
  assertEquals(await submit("dbsize"), least);
  assertEquals(await submit("DBSIZE"), least);
  assertEquals(await submit("script", "LOAD", "return 1"), {
    request: "all_shards",
    response: "agg_max",
  });
  // Of the replies the tips say nothing, and the table does.
  assertEquals(await submit("script", "flush"), {
    request: "all_nodes",
    response: "all_succeeded",
  });
  // Of a module, and in no table.
  assertEquals(await submit("made.up"), least);
  assertEquals(await submit("get", "k"), undefined);
  assertEquals(asked, ["dbsize", "script", "made.up"]);
});

Deno.test("how a cluster runs a command is what the table says where the server gives no tips, or none are allowed", async () => {
  const sum = { request: "all_shards", response: "agg_sum" };
  const silent = makeBench((name) => [name, 1, [], 0, 0, 0]);
  assertEquals(await silent.submit("dbsize"), sum);
  const denied = makeBench(() => new LibraryReplyError("NOPERM no permissions"));
  assertEquals(await denied.submit("dbsize"), sum);
  assertEquals(await denied.submit("dbsize"), sum);
  assertEquals(denied.asked, ["dbsize"]);
});

Deno.test("commands wait while the server is asked for its tips, so that the order stays", async () => {
  const { sent, submit } = makeBench((name) => entry(name, []));
  await Promise.all([submit("flushall"), submit("set", "k", "v"), submit("dbsize")]);
  assertEquals(sent.map(({ name }) => name), ["flushall", "set", "dbsize"]);
});
