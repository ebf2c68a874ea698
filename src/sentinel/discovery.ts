import { addressMapper, type MapAddress } from "../config/address_map.ts";
import type { NodeAddress, RedisConfig } from "../config/settings.ts";
import { type Confirm, WrongServer } from "../connection/connect_failure.ts";
import type { HandshakeOptions } from "../connection/handshake.ts";
import { type Address, formatAddress } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import { AuthError } from "../core/errors/mod.ts";
import { readTlsMaterial } from "../transport/channel.ts";
import { openDenoChannel } from "../transport/deno_channel.ts";
import { openNodeChannel } from "../transport/node_channel.ts";
import { readRole, SentinelClient, SentinelError } from "./client.ts";
import { ConfigEpochs, SentinelList } from "./sentinel_list.ts";
import { PromotionWatch, SentinelWatch } from "./watch.ts";

/** What one sentinel answered. */
interface Answered {
  readonly address: NodeAddress;
  readonly primary: NodeAddress;
  /** Number of the last failover, if the sentinel reports it. */
  readonly epoch: number | undefined;
}

/** How long an announcement takes precedence over answers, in milliseconds. */
const ANNOUNCED_MS = 5000;
/** Least time between two looks at the sentinels because of error replies, in
 * milliseconds. */
const SUSPECT_GAP_MS = 500;
/** Most sentinels that are listened to. */
const MAX_WATCHED = 9;
/** Longest time that one sentinel may take, in milliseconds: on a busy machine TLS and
 * credentials alone may take a second. */
const MAX_QUERY_MS = 2500;
/** Longest silence after which a sentinel is sent a PING, in milliseconds. */
const MAX_HEARTBEAT_MS = 10_000;

/**
 * Finds the primary that sentinels monitor, and detects failovers. Connects to nothing
 * until {@linkcode resolve} is called first.
 *
 * An answer of a sentinel may be out of date. A server counts as the primary when it says
 * so itself, or when a sentinel announces a failover. A sentinel that knows fewer failovers
 * than were reported before is ignored, unless most sentinels are like it.
 */
export class SentinelDiscovery {
  /** What is connected to while no primary is known, for messages. */
  readonly where: string;
  readonly #config: RedisConfig;
  readonly #clock: Clock;
  /** Called when another server has become the primary. */
  readonly #moved: (from: string, to: string) => void;
  /** What the sentinels call the primary. */
  readonly #name: string;
  /** Where the servers are that sentinels name. */
  readonly #map: MapAddress;
  /** How a sentinel is connected to. */
  readonly #handshake: HandshakeOptions;
  readonly #list: SentinelList;
  /** One for each sentinel: only the one that leads a failover announces the promotion, and
   * the others announce their switch before it does. */
  readonly #watches = new Map<string, SentinelWatch>();
  readonly #promotions: PromotionWatch;
  readonly #epochs = new ConfigEpochs();
  readonly #stop = new AbortController();
  /** The look at the sentinels that is under way: shared by all callers. */
  #resolving: Promise<Address> | undefined;
  #primary: string | undefined;
  #suspectedAt = -Infinity;
  /** What a sentinel announced a moment ago. */
  #announced: { readonly endpoint: Address; readonly until: number } | undefined;

  constructor(
    config: RedisConfig,
    clock: Clock,
    moved: (from: string, to: string) => void,
  ) {
    this.#config = config;
    this.#clock = clock;
    this.#moved = moved;
    // The configuration was checked: sentinel mode has a name.
    this.#name = config.sentinelName!;
    this.#map = addressMapper(config.nodeAddressMap);
    this.#list = new SentinelList(config.nodes);
    const sentinels = config.nodes.map(formatAddress).join(",");
    this.where = `sentinel ${this.#name} at ${sentinels}`;
    this.#handshake = handshakeOf(config, clock, {
      tls: config.sentinelTls,
      username: config.sentinelUsername,
      password: config.sentinelPassword,
    });
    this.#promotions = new PromotionWatch({
      handshake: handshakeOf(config, clock, config),
      timeoutMs: this.#queryTimeoutMs,
      promoted: (address) => this.#announce(address),
      signal: this.#stop.signal,
    });
  }

  /** The primary that was found last, or the sentinels if none was. */
  readonly current = (): string => this.#primary ?? this.where;

  /**
   * Asks the sentinels for the primary, the one that answered last first.
   *
   * @throws {AuthError} If every sentinel refused the credentials.
   * @throws {Error} If no sentinel could name the primary; lists what each one answered.
   */
  readonly resolve = (): Promise<Address> => {
    this.#watchAll();
    const announced = this.#announced;
    if (announced !== undefined && this.#clock.now() < announced.until) {
      return Promise.resolve(announced.endpoint);
    }
    return this.#resolving ??= this.#query().finally(() => this.#resolving = undefined);
  };

  /**
   * Asks a server whether it is the primary.
   *
   * @throws {WrongServer} If it is not.
   */
  readonly confirm: Confirm = async (endpoint, ask) => {
    const role = readRole(await ask("role"));
    if (role === "master") return this.#primaryIs(endpoint);
    this.#list.demotePreferred();
    this.#announced = undefined;
    throw new WrongServer(
      `the sentinels call ${formatAddress(endpoint)} the primary ` +
        `"${this.#name}", and it says that it is a ${nameOf(role)}`,
    );
  };

  /** A server may have been replaced as the primary, as it refuses writes: asks the
   * sentinels, but not too often. */
  readonly suspect = (): void => {
    const now = this.#clock.now();
    if (now < this.#suspectedAt + SUSPECT_GAP_MS) return;
    this.#suspectedAt = now;
    this.resolve().then((endpoint) => this.#primaryIs(endpoint), () => {});
  };

  /** A server redirects to another one: the sentinels know where the primary is. */
  readonly redirected = this.suspect;

  /**
   * Asks the sentinels for the replicas of the primary, the one that answered last first.
   *
   * @throws {Error} If no sentinel could list them.
   */
  readonly replicas = async (): Promise<NodeAddress[]> => {
    const timeoutMs = this.#queryTimeoutMs;
    const { signal } = this.#stop;
    let failure: unknown;
    for (const address of this.#list.inOrder()) {
      try {
        const client = await SentinelClient.open(
          this.#handshake,
          address,
          timeoutMs,
          signal,
        );
        try {
          return (await client.replicas(this.#name)).map(this.#map);
        } finally {
          client.close();
        }
      } catch (error) {
        if (!(error instanceof SentinelError)) throw error;
        failure = error;
      }
    }
    throw failure;
  };

  /** Ends the connections to sentinels, for good. */
  readonly close = (): void => {
    this.#stop.abort(new Error("closed by the manager"));
    for (const watch of this.#watches.values()) watch.close();
  };

  /** All sentinels in turn and the server itself fit into one attempt to connect. */
  get #queryTimeoutMs(): number {
    const parts = this.#list.inOrder().length + 1;
    const share = Math.floor(this.#config.connectTimeoutMs / parts);
    return Math.max(1, Math.min(MAX_QUERY_MS, share));
  }

  /** Listens to every sentinel that is known, and to no other. */
  #watchAll(): void {
    if (this.#stop.signal.aborted) return;
    const known = this.#list.inOrder().slice(0, MAX_WATCHED);
    const names = new Set(known.map(formatAddress));
    for (const [name, watch] of this.#watches) {
      if (names.has(name)) continue;
      watch.close();
      this.#watches.delete(name);
    }
    for (const address of known) {
      const name = formatAddress(address);
      if (!this.#watches.has(name)) this.#watches.set(name, this.#watch(address));
    }
  }

  #watch(address: NodeAddress): SentinelWatch {
    const timeoutMs = this.#queryTimeoutMs;
    const { healthCheckIntervalMs } = this.#config;
    return new SentinelWatch({
      name: this.#name,
      open: (signal) => SentinelClient.open(this.#handshake, address, timeoutMs, signal),
      selected: (replica) => this.#promotions.selected(this.#map(replica)),
      switched: (primary, by) => this.#switched(this.#map(primary), by),
      found: (primary, by) => void this.#found(this.#map(primary), by),
      heartbeatMs: Math.min(healthCheckIntervalMs || Infinity, MAX_HEARTBEAT_MS),
      timeoutMs,
      clock: this.#clock,
    });
  }

  /** A sentinel announces that the primary is another server now. */
  #switched(address: NodeAddress, by: SentinelClient): void {
    this.#announce(address);
    by.epoch(this.#name).then((epoch) => {
      // A late announcement of an older failover: the other sentinels know better.
      if (this.#epochs.isStale(epoch)) this.#announced = undefined;
      this.#epochs.record(epoch);
    }, () => {});
  }

  /** The primary is another server now; some sentinels may not know it yet. */
  #announce(address: NodeAddress): void {
    const endpoint: Address = address;
    this.#announced = { endpoint, until: this.#clock.now() + ANNOUNCED_MS };
    this.#primaryIs(endpoint);
  }

  /** The primary that a sentinel names when the subscription to it begins. */
  async #found(address: NodeAddress, by: SentinelClient): Promise<void> {
    const epoch = await by.epoch(this.#name).catch(() => undefined);
    // Within that time it may not know yet what another one has announced.
    const isOver = (this.#announced?.until ?? -Infinity) <= this.#clock.now();
    const isStale = this.#epochs.isStale(epoch) || !isOver;
    if (isStale || this.#stop.signal.aborted) return;
    this.#epochs.record(epoch);
    // Before a primary was found, no connection has to be moved.
    if (this.#primary !== undefined) this.#primaryIs(address);
  }

  /** Asks one sentinel after the other, until one names the primary. */
  async #query(): Promise<Address> {
    const timeoutMs = this.#queryTimeoutMs;
    const errors: [NodeAddress, SentinelError][] = [];
    const stale: Answered[] = [];
    for (const address of this.#list.inOrder()) {
      try {
        const answered = await this.#queryOne(address, timeoutMs);
        if (!this.#epochs.isStale(answered.epoch)) return this.#accept(answered);
        stale.push(answered);
        const text = `it is behind: it knows of failover ${answered.epoch}, and ` +
          `${this.#epochs.newest} was known before`;
        errors.push([address, new SentinelError("stale", text)]);
      } catch (error) {
        if (!(error instanceof SentinelError)) throw error;
        errors.push([address, error]);
      }
    }
    const newest = this.#epochs.newestOf(stale, this.#list.inOrder().length);
    if (newest === undefined) throw this.#explain(errors);
    this.#epochs.reset();
    return this.#accept(newest);
  }

  async #queryOne(address: NodeAddress, timeoutMs: number): Promise<Answered> {
    const name = this.#name;
    const { signal } = this.#stop;
    const client = await SentinelClient.open(this.#handshake, address, timeoutMs, signal);
    try {
      // Before the primary: should it change in between, the epoch is too small, not too
      // large.
      const epoch = await client.epoch(name);
      const primary = this.#map(await client.primary(name));
      this.#list.learn(address, (await client.others(name)).map(this.#map));
      this.#watchAll();
      return { address, epoch, primary };
    } finally {
      client.close();
    }
  }

  #accept({ address, epoch, primary }: Answered): Address {
    this.#epochs.record(epoch);
    this.#list.prefer(address);
    return primary;
  }

  #explain(errors: readonly [NodeAddress, SentinelError][]): Error {
    const answers = errors.map(([address, { message }]) =>
      `${formatAddress(address)}: ${message}`
    ).join("; ");
    const all = (kind: SentinelError["kind"]) =>
      errors.every(([, error]) => error.kind === kind);
    if (all("auth")) {
      const where = errors.map(([address]) => formatAddress(address)).join(",");
      return new AuthError(this.#config.name, `its sentinels at ${where}`, answers);
    }
    const error = new Error(
      `no sentinel could name the primary "${this.#name}" (${answers})`,
    );
    // What every sentinel answers will not change by waiting.
    const code = all("unknown name")
      ? "ENOPRIMARY"
      : all("denied")
      ? "DENIED"
      : undefined;
    return code === undefined ? error : Object.assign(error, { code });
  }

  #primaryIs(endpoint: Address): void {
    const from = this.#primary;
    const to = formatAddress(endpoint);
    this.#primary = to;
    if (from !== undefined && from !== to) this.#moved(from, to);
  }
}

/** How a sentinel, or a server that it names, is connected to. */
function handshakeOf(
  config: RedisConfig,
  clock: Clock,
  { password, tls, username }: Pick<RedisConfig, "password" | "tls" | "username">,
): HandshakeOptions {
  return {
    ...{ database: config.name, db: 0, keyPrefix: "", username, password, clock },
    silenceLimitMs: config.connectTimeoutMs,
    replyLimits: config.replyLimits,
    openChannel: config.transport === "deno" ? openDenoChannel : openNodeChannel,
    // These connections say nothing about how the database serves.
    observer: { answered: () => {}, blockingAnswered: () => {}, troubled: () => {} },
    keepalive: config.socketKeepalive ? config.socketKeepaliveOptions : undefined,
    tls: tls.enabled ? (signal: AbortSignal) => readTlsMaterial(tls, signal) : undefined,
  };
}

/** The server still calls a replica a slave. */
function nameOf(role: string): string {
  if (role === "slave") return "replica";
  return role === "" ? "server without a role" : role;
}
