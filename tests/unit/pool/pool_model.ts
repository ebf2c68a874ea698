import type { EvictionReason, PoolOptions, Purpose } from "../../../src/pool/types.ts";
import type { Outcome } from "./pool_callers.ts";

type Place =
  & {
    id: number;
    purpose: Purpose;
    expiresAt: number;
  }
  & (
    | { at: "connecting"; call: number | undefined }
    | { at: "idle"; since: number }
    | { at: "leased" | "recycling" | "validating" | "lane" }
  );

interface Caller {
  call: number;
  deadline: number;
  opening: boolean;
}

/** What the model says must have happened in a step. */
export interface Expected {
  outcomes: Outcome[];
  destroyed: { id: number; reason: EvictionReason }[];
  created: Purpose[];
  validated: number[];
  asked: number[];
}

/**
 * A pool in lists, with no promise, no link and no timer in it: every step looks at
 * everything. Slow, and simple enough to be believed. What happens outside of the pool
 * is told to it; what the pool must have done is what it expects.
 */
export class PoolModel {
  places: Place[] = [];
  /** Ids, the longest idle first. */
  idle: number[] = [];
  leases: Caller[] = [];
  lanes: Caller[] = [];
  acquires = 0;
  timeouts = 0;
  expected: Expected = nothing();
  readonly #o: PoolOptions;
  #lastTurn: Purpose = "lease";
  #wanted = new Set<number>();
  #used = false;

  constructor(options: PoolOptions) {
    this.#o = options;
  }

  /** Takes what was expected since this was asked last. */
  takeExpected(): Expected {
    const { expected } = this;
    this.expected = nothing();
    return expected;
  }

  count(...at: Place["at"][]): number {
    return this.places.filter((place) => at.includes(place.at)).length;
  }

  numbers() {
    const leased = this.count("leased");
    const recycling = this.count("recycling");
    return {
      total: this.places.length,
      lanes: this.count("lane"),
      inUse: leased + recycling,
      idle: this.count("idle"),
      connecting: this.count("connecting", "validating"),
      waiting: this.leases.length,
      max: this.#o.maxConnections,
      leased,
      recycling,
      validating: this.count("validating"),
      lanesWaiting: this.lanes.length,
    };
  }

  acquire(call: number, timeoutMs: number, now: number): void {
    if (this.leases.length === 0) {
      const top = this.#top(now);
      if (top !== undefined && !this.#stale(top, now)) return this.#grant(top, call);
    }
    if (this.leases.length >= this.#o.maxWaiting) {
      return this.#end(call, "OverloadedError");
    }
    this.leases.push({ call, deadline: now + timeoutMs, opening: false });
    this.settle(now);
  }

  openLane(call: number, now: number): void {
    this.lanes.push({ call, deadline: Infinity, opening: false });
    this.settle(now);
  }

  abort(call: number, now: number): void {
    const isLease = this.leases.some((caller) => caller.call === call);
    this.#drop(call, "AbortError");
    if (isLease) return;
    // Nobody else can use what was being opened for a lane: the driver gives it up.
    const opening = this.#openings().findIndex((place) => place.call === call);
    if (opening !== -1) this.createFailed(opening, now);
    this.settle(now);
  }

  /** Time has passed, up to `now`. */
  advance(now: number): void {
    for (const caller of this.leases.filter(({ deadline }) => deadline <= now)) {
      this.timeouts++;
      this.#drop(caller.call, "AcquireTimeoutError");
    }
  }

  /** `opening` counts those that are under way, from 0. */
  created(opening: number, connectionId: number, now: number): void {
    const place = this.#openings()[opening]!;
    const { call, purpose } = place;
    place.id = connectionId;
    const { maxLifetimeMs } = this.#o;
    place.expiresAt = maxLifetimeMs === 0 ? Infinity : now + maxLifetimeMs;
    if (purpose === "lease") this.#becomeIdle(place, now);
    else {
      this.#become(place, { at: "lane" });
      this.#lastTurn = "lane";
      this.lanes = this.lanes.filter((caller) => caller.call !== call);
      this.#end(call!, connectionId);
    }
    this.settle(now);
    this.fill();
  }

  createFailed(opening: number, now: number): void {
    const place = this.#openings()[opening]!;
    this.#lastTurn = place.purpose;
    this.#remove(place);
    const queue = place.purpose === "lane" ? this.lanes : this.leases;
    const own = queue.find(({ call }) => call === place.call);
    if (own !== undefined) own.opening = false;
    const victim = place.purpose === "lane" ? own : own ?? queue[0];
    const missing = place.purpose === "lane" || this.leases.length > this.#coming();
    if (victim !== undefined && missing) this.#drop(victim.call, "CreateError");
    this.settle(now);
  }

  /** The holder let go; what recycling answers follows. */
  recycling(id: number): void {
    const place = this.places.find((other) => other.id === id && other.at === "leased");
    if (place !== undefined) this.#become(place, { at: "recycling" });
  }

  /** Recycling or validation was answered. */
  answered(id: number, works: boolean, now: number): void {
    const place = this.places.find((p) =>
      p.id === id && (p.at === "recycling" || p.at === "validating")
    );
    if (place === undefined) return;
    const reason = place.at === "recycling" ? "unclean" : "invalid";
    if (!works) this.#destroy(place, reason);
    else if (now >= place.expiresAt) this.#destroy(place, "max_lifetime");
    else this.#becomeIdle(place, now);
    this.settle(now);
  }

  /** A lease was destroyed, or a lane released. */
  given(id: number, reason: EvictionReason, now: number): void {
    const place = this.places.find((p) => p.id === id && p.at !== "connecting");
    if (place !== undefined) this.#destroy(place, reason);
    this.settle(now);
  }

  killed(id: number, now: number): void {
    this.#remove(this.places.find((p) => p.id === id && p.at !== "connecting")!);
    this.settle(now);
  }

  reap(now: number): void {
    const { idleTimeoutMs, minConnections } = this.#o;
    const order = [...this.idle];
    for (const place of this.#idlePlaces()) {
      if (now >= place.expiresAt) this.#destroy(place, "max_lifetime");
    }
    for (const place of this.#idlePlaces()) {
      if (place.at !== "idle" || idleTimeoutMs === 0) continue;
      if (now - place.since < idleTimeoutMs) continue;
      if (this.#forLeases() > minConnections) this.#destroy(place, "idle_timeout");
    }
    // Whatever decides who goes, the longest idle goes first.
    this.expected.destroyed.sort((a, b) => order.indexOf(a.id) - order.indexOf(b.id));
    if (this.expected.destroyed.length > 0) this.settle(now);
    if (this.#used) this.fill();
  }

  fill(): void {
    const { minConnections, maxConnecting } = this.#o;
    while (
      this.#forLeases() < minConnections && this.#room() > 0 &&
      this.#connecting("lease") < maxConnecting
    ) this.#create("lease");
  }

  /** Does everything that can be done. */
  settle(now: number): void {
    while (this.leases.length + this.lanes.length > 0 && this.#settleOne(now));
  }

  #settleOne(now: number): boolean {
    const { maxConnections, maxConnecting } = this.#o;
    const top = this.#top(now);
    const lane = this.lanes.find(({ opening }) => !opening);
    const lanesTurn = maxConnections > 1 || this.leases.length === 0 ||
      this.#lastTurn === "lease";
    const lanes = this.places.length - this.#forLeases();
    if (lane !== undefined && lanesTurn && lanes < Math.max(1, maxConnections - 1)) {
      if (this.places.length < maxConnections) return this.#createFor("lane", lane);
      const [oldest] = this.#idlePlaces();
      if (oldest !== undefined) return this.#destroy(oldest, "made_room");
    }
    if (this.leases.length === 0) return false;
    if (top !== undefined && !this.#stale(top, now)) {
      this.#grant(top, this.leases.shift()!.call);
      return true;
    }
    if (this.leases.length <= this.#coming()) return false;
    if (top !== undefined) {
      this.#become(top, { at: "validating" });
      this.expected.validated.push(top.id);
      return true;
    }
    if (this.#room() > 0 && this.#connecting("lease") < maxConnecting) {
      return this.#createFor("lease", this.leases.find(({ opening }) => !opening));
    }
    const only = this.places.find((place) => place.at === "lane");
    if (maxConnections > 1 || only === undefined || this.#wanted.has(only.id)) {
      return false;
    }
    this.#wanted.add(only.id);
    this.expected.asked.push(only.id);
    return true;
  }

  #openings() {
    return this.places.filter((place) => place.at === "connecting");
  }

  #coming(): number {
    return this.#connecting("lease") + this.count("recycling", "validating");
  }

  #connecting(purpose: Purpose): number {
    return this.places.filter((p) => p.at === "connecting" && p.purpose === purpose)
      .length;
  }

  #forLeases(): number {
    return this.places.filter(({ purpose }) => purpose === "lease").length;
  }

  /** How many more places leases may take. */
  #room(): number {
    const { maxConnections } = this.#o;
    const lanes = this.places.length - this.#forLeases();
    const wanted = this.lanes.filter(({ opening }) => !opening).length;
    const kept = maxConnections === 1
      ? lanes
      : Math.max(1, Math.min(lanes + wanted, maxConnections - 1));
    return maxConnections - kept - this.#forLeases();
  }

  #idlePlaces(): Place[] {
    return this.idle.map((id) => this.#place(id, "idle"));
  }

  #top(now: number): Place | undefined {
    for (;;) {
      const top = this.#idlePlaces().at(-1);
      if (top === undefined || now < top.expiresAt) return top;
      this.#destroy(top, "max_lifetime");
    }
  }

  #stale(place: Place, now: number): boolean {
    return place.at === "idle" && now - place.since > this.#o.validateAfterMs;
  }

  #place(id: number, at: Place["at"]): Place {
    const found = this.places.find((place) => place.id === id && place.at === at);
    if (found === undefined) throw new Error(`no place ${id} is ${at}`);
    return found;
  }

  #createFor(purpose: Purpose, caller: Caller | undefined): true {
    if (caller !== undefined) caller.opening = true;
    this.#create(purpose, caller?.call);
    return true;
  }

  #create(purpose: Purpose, call?: number): void {
    // It has no number before the driver has given it one.
    const fresh = { id: 0, purpose, expiresAt: Infinity };
    this.places.push({ ...fresh, at: "connecting", call });
    this.#used = true;
    this.expected.created.push(purpose);
  }

  #grant(place: Place, call: number): void {
    this.#become(place, { at: "leased" });
    this.#lastTurn = "lease";
    this.acquires++;
    this.#end(call, place.id);
  }

  #become(
    place: Place,
    to: { at: "leased" | "recycling" | "validating" | "lane" },
  ): void {
    this.idle = this.idle.filter((id) => id !== place.id || place.at !== "idle");
    Object.assign(place, to);
  }

  #becomeIdle(place: Place, since: number): void {
    Object.assign(place, { at: "idle", since });
    this.idle.push(place.id);
  }

  #destroy(place: Place, reason: EvictionReason): true {
    this.expected.destroyed.push({ id: place.id, reason });
    this.#remove(place);
    return true;
  }

  #remove(place: Place): void {
    if (place.at === "idle") this.idle = this.idle.filter((id) => id !== place.id);
    this.places = this.places.filter((other) => other !== place);
  }

  #drop(call: number, error: string): void {
    this.leases = this.leases.filter((caller) => caller.call !== call);
    this.lanes = this.lanes.filter((caller) => caller.call !== call);
    this.#end(call, error);
  }

  #end(call: number, result: number | string): void {
    this.expected.outcomes.push({ call, result });
  }
}

function nothing(): Expected {
  return { outcomes: [], destroyed: [], created: [], validated: [], asked: [] };
}
