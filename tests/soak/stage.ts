/** A server with a relay in front of it, whose password changes. */
import { FaultProxy } from "../../src/testing/fault_proxy.ts";
import { RedisServer } from "../../src/testing/redis_server.ts";
import type { RespArg } from "../../src/testing/resp_client.ts";
import { delay } from "../../src/testing/wait.ts";
import { ProxyRecorder } from "../support/proxy_recorder.ts";

/** Keys that never change, so that a load of the data takes its time. */
export const CONSTANT_KEYS = 1000;
/** How long the server may take for what the soak itself wants of it, on a machine that
 * several soaks keep busy, in milliseconds. */
const PATIENCE_MS = 60_000;
const VALUE = "x".repeat(100);

/** One database's side of a soak. */
export class Stage implements AsyncDisposable {
  /** Name of the database. */
  readonly name: string;
  readonly server: RedisServer;
  readonly relay: FaultProxy;
  /** Remembers what went through the relay last. */
  readonly recorder: ProxyRecorder;
  /** What the manager is told when it asks; lags behind the server's at times. */
  toldPassword = "first";
  #password = "first";

  private constructor(
    name: string,
    server: RedisServer,
    relay: FaultProxy,
    recorder: ProxyRecorder,
  ) {
    this.name = name;
    this.server = server;
    this.relay = relay;
    this.recorder = recorder;
  }

  /** Starts both, with data that stays. */
  static async start(name: string): Promise<Stage> {
    const server = await RedisServer.start({
      persistence: "aof",
      password: "first",
      startTimeoutMs: PATIENCE_MS,
      replyTimeoutMs: PATIENCE_MS,
      config: {
        "enable-debug-command": "local",
        "busy-reply-threshold": "50",
        "loading-process-events-interval-bytes": "1024",
      },
    });
    await server.pipeline(
      Array.from(
        { length: CONSTANT_KEYS },
        (_, i) => ["SET", constantKey(i), constantValue(i)],
      ),
    );
    const recorder = new ProxyRecorder();
    return new Stage(
      name,
      server,
      await FaultProxy.start({ to: server, observer: recorder }),
      recorder,
    );
  }

  /** Asks the server past the relay. */
  readonly ask = (...command: RespArg[]): Promise<unknown> => this.server.cli(...command);

  /** Sets a server's setting; an error is thrown. */
  async configure(name: string, value: string): Promise<void> {
    const reply = await this.server.cli("CONFIG", "SET", name, value);
    if (reply !== "OK") throw new Error(`Cannot set ${name}: ${reply}`);
  }

  /** Gives the server another password; the manager is told later. */
  async changePassword(password: string): Promise<void> {
    this.#password = password;
    await this.configure("requirepass", password);
  }

  /** Starts the server again, whatever it does now. */
  async restart(config: Record<string, string> = {}): Promise<void> {
    await this.server.restart({
      config: { "key-load-delay": "0", requirepass: this.#password, ...config },
    });
  }

  /** Waits until the server has loaded its data. */
  async untilServing(): Promise<void> {
    while ((await this.server.info("persistence")).loading !== "0") await delay(5);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.relay[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }
}

/** Name of a key that never changes. */
export function constantKey(i: number): string {
  return `constant:${i}`;
}

/** What is in it. */
export function constantValue(i: number): string {
  return `${i} ${VALUE}`;
}
