import { type Asking, WrongServer } from "../connection/confirm.ts";
import type { HandshakeOptions } from "../connection/handshake.ts";
import { type Address, formatAddress, type TcpAddress } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import { AuthError } from "../core/errors/mod.ts";
import { PromotionWatch } from "./promotion_watch.ts";
import { SentinelEpochs } from "./sentinel_epochs.ts";
import { SentinelFailure, SentinelLink } from "./sentinel_link.ts";
import { readRole } from "./sentinel_replies.ts";
import { SentinelRoster } from "./sentinel_roster.ts";
import { SentinelWatch } from "./sentinel_watch.ts";

/** What the finding of a primary needs. */
export interface SentinelOptions {
  /** Name of the database. */
  readonly database: string;
  /** What the sentinels call the primary. */
  readonly name: string;
  /** The configured sentinels. */
  readonly sentinels: readonly TcpAddress[];
  /** How a sentinel is connected to: its credentials, its TLS. */
  readonly handshake: HandshakeOptions;
  /** How a server of the database is connected to. */
  readonly serverHandshake: HandshakeOptions;
  /** Deadline of one attempt to connect the database, in milliseconds: the sentinels'
   * answers and the server's share it. */
  readonly connectTimeoutMs: number;
  /** How often a silent sentinel is asked for a sign of life, in milliseconds. */
  readonly heartbeatMs: number;
  /** Told when the primary is another server than before. */
  readonly moved: (from: string, to: string) => void;
  /** Time. */
  readonly clock: Clock;
}

/** A sentinel that has said where the primary is. */
interface Reached {
  readonly address: TcpAddress;
  readonly link: SentinelLink;
  readonly primary: TcpAddress;
  /** Number of the failover that it knows of, if it tells. */
  readonly epoch: number | undefined;
}

/** How long an announcement counts more than what sentinels answer, in milliseconds. */
const ANNOUNCED_MS = 5000;
/** Least time between two questions because of what a server answers, in milliseconds. */
const SUSPECT_GAP_MS = 500;
/** Most sentinels that are listened to. */
const MAX_WATCHED = 9;
/** Longest time that one sentinel may take, in milliseconds. */
const MAX_ASK_MS = 1000;
/** How often a silent sentinel is asked at least, in milliseconds. */
const MAX_HEARTBEAT_MS = 10_000;

/**
 * Finds the primary that sentinels watch, and notices when it is another one. Opens
 * nothing until it is first asked.
 *
 * A sentinel may be behind: that a server is the primary counts when the server says so
 * itself, or when a sentinel announces a failover; and one that knows of fewer failovers
 * than were known before is not believed, unless most sentinels are like it.
 */
export class SentinelPrimary {
  readonly #options: SentinelOptions;
  readonly #roster: SentinelRoster;
  /** One for each sentinel: only the one that leads a failover tells of the promotion, and
   * the others of their switch before it does. */
  readonly #watches = new Map<string, SentinelWatch>();
  readonly #promotions: PromotionWatch;
  readonly #epochs = new SentinelEpochs();
  readonly #stop = new AbortController();
  /** The question that is being asked; those who come meanwhile share its answer. */
  #asking: Promise<Address> | undefined;
  #primary: string | undefined;
  #suspectedAt = -Infinity;
  /** What a sentinel announced a moment ago. */
  #announced: { readonly endpoint: Address; readonly until: number } | undefined;

  /**
   * Makes a finder; opens nothing.
   *
   * @param options What it needs.
   */
  constructor(options: SentinelOptions) {
    this.#options = options;
    this.#roster = new SentinelRoster(options.sentinels);
    this.#promotions = new PromotionWatch({
      handshake: options.serverHandshake,
      timeoutMs: this.#askTimeoutMs,
      promoted: (address) => this.#announce(address),
      signal: this.#stop.signal,
    });
  }

  /** Where the primary was found last, in words; `undefined` if never. */
  get primary(): string | undefined {
    return this.#primary;
  }

  /**
   * Asks the sentinels where the primary is, the one that answered last first.
   *
   * @returns Where it is.
   * @throws {AuthError} If every sentinel refused the credentials.
   * @throws {Error} If none could say; names each one and what it said.
   */
  resolve(): Promise<Address> {
    this.#watchAll();
    const announced = this.#announced;
    if (announced !== undefined && this.#options.clock.now() < announced.until) {
      return Promise.resolve(announced.endpoint);
    }
    this.#asking ??= this.#ask().finally(() => this.#asking = undefined);
    return this.#asking;
  }

  /**
   * Asks a server whether it is the primary.
   *
   * @param endpoint Where it is.
   * @param ask Asks it.
   * @throws {WrongServer} If it says that it is none.
   */
  async confirm(endpoint: Address, ask: Asking): Promise<void> {
    const role = readRole(await ask("role"));
    if (role === "master") return this.#isAt(endpoint);
    this.#roster.distrust();
    this.#announced = undefined;
    throw new WrongServer(
      `the sentinels call ${formatAddress(endpoint)} the primary ` +
        `"${this.#options.name}", and it says that it is a ${nameOf(role)}`,
    );
  }

  /** A server refuses writes as one may that was replaced: asks the sentinels, but not too
   * often. */
  suspect(): void {
    const now = this.#options.clock.now();
    if (now < this.#suspectedAt + SUSPECT_GAP_MS) return;
    this.#suspectedAt = now;
    this.resolve().then((endpoint) => this.#isAt(endpoint), () => {});
  }

  /** Ends the connections to sentinels, for good. */
  close(): void {
    this.#stop.abort(new Error("closed by the manager"));
    for (const watch of this.#watches.values()) watch.close();
  }

  /** All sentinels in turn and the server itself fit into one attempt to connect. */
  get #askTimeoutMs(): number {
    const parts = this.#roster.inTurn().length + 1;
    const share = Math.floor(this.#options.connectTimeoutMs / parts);
    return Math.max(1, Math.min(MAX_ASK_MS, share));
  }

  async #ask(): Promise<Address> {
    const { link, primary } = await this.#reach(this.#stop.signal);
    link.close();
    return primary;
  }

  /** Listens to every sentinel that is known by now, and to no other. */
  #watchAll(): void {
    if (this.#stop.signal.aborted) return;
    const known = this.#roster.inTurn().slice(0, MAX_WATCHED);
    const names = new Set(known.map(formatAddress));
    for (const [name, watch] of this.#watches) {
      if (names.has(name)) continue;
      watch.close();
      this.#watches.delete(name);
    }
    for (const address of known) {
      const name = formatAddress(address);
      if (this.#watches.has(name)) continue;
      const watch = this.#makeWatch(address);
      this.#watches.set(name, watch);
      watch.start();
    }
  }

  #makeWatch(address: TcpAddress): SentinelWatch {
    const { clock, handshake, heartbeatMs, name } = this.#options;
    const timeoutMs = this.#askTimeoutMs;
    return new SentinelWatch({
      name,
      open: (signal) => SentinelLink.open(handshake, address, timeoutMs, signal),
      selected: (replica) => this.#promotions.selected(replica),
      switched: (primary, by) => this.#switched(primary, by),
      found: (primary, by) => void this.#found(primary, by),
      heartbeatMs: heartbeatMs > 0
        ? Math.min(heartbeatMs, MAX_HEARTBEAT_MS)
        : MAX_HEARTBEAT_MS,
      timeoutMs,
      clock,
    });
  }

  /** A sentinel announces that the primary is another server now. */
  #switched(address: TcpAddress, by: SentinelLink): void {
    this.#announce(address);
    by.epoch(this.#options.name).then((epoch) => {
      // It has heard late of a failover that is not the last one: the others know better.
      if (this.#epochs.isBehind(epoch)) this.#announced = undefined;
      this.#epochs.note(epoch);
    }, () => {});
  }

  /** The primary is another server now; the sentinels, or some, may not know it yet. */
  #announce(address: TcpAddress): void {
    const endpoint: Address = address;
    const until = this.#options.clock.now() + ANNOUNCED_MS;
    this.#announced = { endpoint, until };
    this.#isAt(endpoint);
  }

  /** A sentinel that is listened to from now on takes a server for the primary. */
  async #found(address: TcpAddress, by: SentinelLink): Promise<void> {
    const { clock, name } = this.#options;
    const epoch = await by.epoch(name).catch(() => undefined);
    // Within that time it may not have heard of what another one has announced.
    const isOver = (this.#announced?.until ?? -Infinity) <= clock.now();
    const isNews = !this.#epochs.isBehind(epoch) && isOver;
    if (!isNews || this.#stop.signal.aborted) return;
    this.#epochs.note(epoch);
    // Until a server was found to be the primary there is nothing to lead away from.
    if (this.#primary !== undefined) this.#isAt(address);
  }

  /** The first sentinel that can say where the primary is; the others are learned. */
  async #reach(signal: AbortSignal): Promise<Reached> {
    const timeoutMs = this.#askTimeoutMs;
    const failures: [TcpAddress, SentinelFailure][] = [];
    const behind: Reached[] = [];
    for (const address of this.#roster.inTurn()) {
      try {
        const reached = await this.#askAt(address, timeoutMs, signal);
        if (!this.#epochs.isBehind(reached.epoch)) return this.#believe(reached, behind);
        behind.push(reached);
        failures.push([address, this.#epochs.failureOf(reached.epoch)]);
      } catch (error) {
        if (!(error instanceof SentinelFailure)) throw error;
        failures.push([address, error]);
      }
    }
    const latest = this.#epochs.latestOf(behind, this.#roster.inTurn().length);
    if (latest !== undefined) {
      this.#epochs.forget();
      return this.#believe(latest, behind);
    }
    for (const { link } of behind) link.close();
    throw this.#explain(failures);
  }

  async #askAt(
    address: TcpAddress,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<Reached> {
    const { handshake, name } = this.#options;
    const link = await SentinelLink.open(handshake, address, timeoutMs, signal);
    try {
      // Before the primary: should it change in between, too little is known of it.
      const epoch = await link.epoch(name);
      const primary = await link.primary(name);
      this.#roster.learn(address, await link.others(name));
      this.#watchAll();
      return { address, epoch, link, primary };
    } catch (error) {
      link.close();
      throw error;
    }
  }

  /** Takes one sentinel's word, and lets the others go. */
  #believe(reached: Reached, others: readonly Reached[]): Reached {
    for (const { link } of others) if (link !== reached.link) link.close();
    this.#epochs.note(reached.epoch);
    this.#roster.answered(reached.address);
    return reached;
  }

  #explain(failures: readonly [TcpAddress, SentinelFailure][]): Error {
    const { database, name } = this.#options;
    const said = failures.map(([address, { message }]) =>
      `${formatAddress(address)}: ${message}`
    ).join("; ");
    const all = (kind: SentinelFailure["kind"]) =>
      failures.every(([, failure]) => failure.kind === kind);
    if (all("auth")) {
      const where = failures.map(([address]) => formatAddress(address)).join(",");
      return new AuthError(database, `its sentinels at ${where}`, said);
    }
    const error = new Error(`no sentinel could name the primary "${name}" (${said})`);
    // What every one of them says is no matter of time.
    const code = all("unknown name")
      ? "ENOPRIMARY"
      : all("denied")
      ? "DENIED"
      : undefined;
    return code === undefined ? error : Object.assign(error, { code });
  }

  #isAt(endpoint: Address): void {
    const from = this.#primary;
    const to = formatAddress(endpoint);
    this.#primary = to;
    if (from !== undefined && from !== to) this.#options.moved(from, to);
  }
}

/** The server's word for a replica is an old one. */
function nameOf(role: string): string {
  if (role === "slave") return "replica";
  return role === "" ? "server without a role" : role;
}
