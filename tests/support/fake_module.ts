/**
 * A server that seems to have modules: a relay in front of a real one answers for their
 * commands, and keeps all that it saw.
 *
 * @module
 */
import { FaultProxy } from "../../src/testing/fault_proxy.ts";
import { RedisServer } from "../../src/testing/redis_server.ts";

/** A command as the server saw it: its name and arguments. */
export type SeenCommand = readonly string[];

/** What the server says of one command of a module. */
export interface ModuleCommand {
  readonly flags: readonly string[];
  readonly first: number;
  readonly last: number;
  readonly step: number;
  /** What `COMMAND GETKEYS` finds, where the keys are not at fixed places. */
  readonly keys?: (args: readonly string[]) => readonly string[];
}

/** Commands without a dot in their names that it answers for the server. */
const WITHOUT_DOT: ReadonlySet<string> = new Set(["delifeq", "migrate", "sort"]);

/** A running server. */
export class FakeModule implements AsyncDisposable {
  readonly #server: RedisServer;
  readonly #relay: FaultProxy;
  /** All commands that were seen. */
  readonly seen: SeenCommand[];

  private constructor(server: RedisServer, relay: FaultProxy, seen: SeenCommand[]) {
    this.#server = server;
    this.#relay = relay;
    this.seen = seen;
  }

  /**
   * Starts it.
   *
   * @param commands What the server says of commands. It answers
   * calls of all whose name has a dot, but for `NO.SUCH`, and of few others.
   */
  static async start(
    commands: Readonly<Record<string, ModuleCommand>> = {},
  ): Promise<FakeModule> {
    const server = await RedisServer.start();
    const seen: SeenCommand[] = [];
    let isQueueing = false;
    const script = (command: string[]): string | undefined => {
      seen.push(command);
      const [name = "", subcommand = "", about = "", ...args] = command;
      const lower = name.toLowerCase();
      if (lower === "multi") isQueueing = true;
      if (lower === "exec" || lower === "discard") isQueueing = false;
      const told = commands[about.toLowerCase()];
      if (lower === "command" && told !== undefined) {
        return subcommand.toLowerCase() === "info"
          ? infoReply(about, told)
          : keysReply(told.keys?.(args) ?? []);
      }
      const isModules = lower.includes(".") || WITHOUT_DOT.has(lower);
      if (!isModules || lower === "no.such") return undefined;
      return isQueueing ? "+QUEUED\r\n" : "+OK\r\n";
    };
    return new FakeModule(server, await FaultProxy.start({ to: server, script }), seen);
  }

  /** Where it listens. */
  get host(): string {
    return this.#relay.host;
  }

  /** Where it listens. */
  get port(): number {
    return this.#relay.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#relay[Symbol.asyncDispose]();
    await this.#server[Symbol.asyncDispose]();
  }
}

function infoReply(name: string, { first, flags, last, step }: ModuleCommand): string {
  const list = flags.map((flag) => `+${flag}\r\n`).join("");
  return `*1\r\n*6\r\n${bulk(name)}:-2\r\n*${flags.length}\r\n${list}` +
    `:${first}\r\n:${last}\r\n:${step}\r\n`;
}

function keysReply(keys: readonly string[]): string {
  return keys.length === 0
    ? "-ERR The command has no key arguments\r\n"
    : `*${keys.length}\r\n${keys.map(bulk).join("")}`;
}

function bulk(text: string): string {
  return `$${new TextEncoder().encode(text).length}\r\n${text}\r\n`;
}
