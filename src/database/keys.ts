import { KeyFinder } from "../cluster/key_finder.ts";
import { KeyPlacer } from "../cluster/key_placer.ts";
import { KeyedSink } from "../cluster/keyed_sink.ts";
import type { CommandSink } from "../commands/dispatcher.ts";
import type { RedisConfig } from "../config/mod.ts";
import type { Command } from "../connection/driver.ts";
import type { Clock } from "../core/clock.ts";
import type { CommandClassifier } from "../resilience/command_class.ts";

/** What the keys of a database's commands need. */
export interface DatabaseKeysParts {
  /** The database. */
  readonly config: RedisConfig;
  /** What kind of command a name is. */
  readonly classifier: CommandClassifier;
  /** Where its commands go. */
  readonly sink: CommandSink;
  /** Time. */
  readonly clock: Clock;
}

/** Finds the keys of commands that the client library does not know. */
export interface DatabaseKeys {
  /** Stands before the database's sink. */
  readonly sink: CommandSink;
  /**
   * Puts the keys of a command in place that does not go by the sink.
   *
   * @param command The command, not sent yet.
   * @param where Where it was called, for messages.
   * @throws {CommandRefusedError} If its keys are not known yet.
   */
  placeNow(command: Command, where: string): void;
}

/**
 * What finds the keys of a database's commands.
 *
 * @param parts What it needs.
 * @returns It; `undefined` where no keys have to be known.
 */
export function makeKeys(parts: DatabaseKeysParts): DatabaseKeys | undefined {
  const { classifier, clock, config, sink } = parts;
  const { commandTimeoutMs: timeoutMs, keyPrefix, maxWaiting, name: database } = config;
  if (keyPrefix === "" && config.mode !== "cluster") return undefined;
  const finder = new KeyFinder({ send: (question) => sink.submit(question), timeoutMs });
  const placer = new KeyPlacer({ database, keyPrefix, finder });
  return {
    sink: new KeyedSink({ database, maxWaiting, sink, placer, finder, clock }),
    placeNow: (command, where) => {
      const info = classifier.resolve(command.name, command.args);
      placer.placeNow(command, info, where);
    },
  };
}
