import type { Clock, Timer } from "../core/clock.ts";
import {
  AcquireTimeoutError,
  ManagerClosedError,
  OverloadedError,
  type PoolNumbers,
} from "../core/errors/mod.ts";

export interface Pooled {
  readonly id: number;
  onEnd(fn: () => void): void;
}
export interface PoolDriver<C extends Pooled> {
  create(signal: AbortSignal, purpose: "lane" | "lease"): Promise<C>;
  recycle(c: C): boolean | Promise<boolean>;
  destroy(c: C, reason: string): void;
}
interface Waiter<C> {
  resolve(lease: PoolLease<C>): void;
  reject(e: Error): void;
  timer?: Timer;
  done: boolean;
}
export interface PoolLease<C> {
  readonly connection: C;
  release(): void;
}
interface Entry<C> {
  c: C;
  state: "lane" | "leased" | "idle" | "recycling" | "closed";
  since: number;
  createdAt: number;
}

export class InterimPool<C extends Pooled> {
  #o;
  #d;
  #clock;
  #abort = new AbortController();
  #entries = new Set<Entry<C>>();
  #idle: Entry<C>[] = [];
  #waiters: Waiter<C>[] = [];
  #connecting = 0;
  #created = 0;
  #timeouts = 0;
  #evictions: Record<string, number> = {};
  #lastCleanup: number | null = null;
  #closed = false;
  constructor(
    options: {
      database: string;
      maxConnections: number;
      maxWaiting: number;
      acquireTimeoutMs: number;
      idleTimeoutMs: number;
      maxLifetimeMs: number;
    },
    driver: PoolDriver<C>,
    clock: Clock,
  ) {
    this.#o = options;
    this.#d = driver;
    this.#clock = clock;
  }
  numbers(): PoolNumbers {
    const count = (s: string) => [...this.#entries].filter((e) => e.state === s).length;
    return {
      total: this.#entries.size + this.#connecting,
      lanes: count("lane"),
      inUse: count("leased") + count("recycling"),
      idle: this.#idle.length,
      connecting: this.#connecting,
      waiting: this.#waiters.length,
      max: this.#o.maxConnections,
    };
  }
  counters() {
    return {
      created: this.#created,
      open: this.#entries.size,
      acquireTimeouts: this.#timeouts,
      evictions: { ...this.#evictions },
      lastCleanup: this.#lastCleanup,
    };
  }
  async openLane(
    signal: AbortSignal,
  ): Promise<{ connection: C; release(reason: string): void }> {
    this.#connecting++;
    try {
      const c = await this.#d.create(
        AbortSignal.any([signal, this.#abort.signal]),
        "lane",
      );
      const e = this.#add(c, "lane");
      return { connection: c, release: (reason) => this.#destroy(e, reason) };
    } finally {
      this.#connecting--;
    }
  }
  acquire(
    options: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<PoolLease<C>> {
    if (this.#closed) return Promise.reject(new ManagerClosedError(this.#o.database));
    if (options.signal?.aborted) return Promise.reject(options.signal.reason);
    const idle = this.#idle.pop();
    if (idle) return Promise.resolve(this.#lease(idle));
    if (this.#waiters.length >= this.#o.maxWaiting) {
      return Promise.reject(
        new OverloadedError(
          this.#o.database,
          "waiting callers",
          this.#waiters.length,
          this.#o.maxWaiting,
        ),
      );
    }
    const timeoutMs = options.timeoutMs ?? this.#o.acquireTimeoutMs;
    return new Promise((resolve, reject) => {
      const abort = () => give(() => reject(options.signal!.reason));
      const give = (fn: () => void) => {
        if (w.done) return;
        w.done = true;
        w.timer?.cancel();
        options.signal?.removeEventListener("abort", abort);
        this.#waiters = this.#waiters.filter((x) => x !== w);
        fn();
      };
      const w: Waiter<C> = {
        done: false,
        resolve: (l) => give(() => resolve(l)),
        reject: (e) => give(() => reject(e)),
      };
      w.timer = this.#clock.setTimer(() => {
        if (w.done) return;
        const n = this.numbers();
        this.#timeouts++;
        w.reject(new AcquireTimeoutError(this.#o.database, timeoutMs, n));
      }, timeoutMs);
      options.signal?.addEventListener("abort", abort, { once: true });
      this.#waiters.push(w);
      this.#grow();
    });
  }
  #grow() {
    const room = Math.max(1, this.#o.maxConnections - 1);
    const used = [...this.#entries].filter((e) => e.state !== "lane").length +
      this.#connecting;
    if (used >= room || this.#connecting >= this.#waiters.length) return;
    this.#connecting++;
    this.#d.create(this.#abort.signal, "lease").then((c) => {
      this.#connecting--;
      this.#free(this.#add(c, "idle"));
    }, (e) => {
      this.#connecting--;
      this.#waiters[0]?.reject(e);
      this.#grow();
    });
  }
  #add(c: C, state: Entry<C>["state"]) {
    this.#created++;
    const e: Entry<C> = {
      c,
      state,
      since: this.#clock.now(),
      createdAt: this.#clock.now(),
    };
    this.#entries.add(e);
    c.onEnd(() => this.#gone(e, "lost"));
    return e;
  }
  #free(e: Entry<C>) {
    if (e.state === "closed") return;
    if (this.#closed) return this.#destroy(e, "closed");
    const w = this.#waiters[0];
    e.since = this.#clock.now();
    if (w) w.resolve(this.#lease(e));
    else {
      e.state = "idle";
      this.#idle.push(e);
    }
  }
  #lease(e: Entry<C>): PoolLease<C> {
    e.state = "leased";
    return {
      connection: e.c,
      release: () => {
        if (e.state === "closed") return;
        e.state = "recycling";
        const clean = this.#d.recycle(e.c);
        if (clean === true) this.#free(e);
        else if (clean === false) this.#destroy(e, "dirty");
        else {clean.then(
            (ok) => ok ? this.#free(e) : this.#destroy(e, "dirty"),
            () => this.#destroy(e, "dirty"),
          );}
      },
    };
  }
  #destroy(e: Entry<C>, reason: string) {
    if (e.state === "closed") return;
    this.#gone(e, reason);
    this.#d.destroy(e.c, reason);
  }
  #gone(e: Entry<C>, reason: string) {
    if (e.state === "closed") return;
    e.state = "closed";
    this.#entries.delete(e);
    this.#idle = this.#idle.filter((x) => x !== e);
    this.#evictions[reason] = (this.#evictions[reason] ?? 0) + 1;
    this.#grow();
  }
  reap(): number {
    const now = this.#clock.now();
    this.#lastCleanup = this.#clock.wallNow();
    const due = this.#idle.filter((e) =>
      now - e.since >= this.#o.idleTimeoutMs ||
      (this.#o.maxLifetimeMs > 0 && now - e.createdAt >= this.#o.maxLifetimeMs)
    );
    for (const e of due) this.#destroy(e, "idle");
    return due.length;
  }
  close() {
    this.#closed = true;
    this.#abort.abort(new ManagerClosedError(this.#o.database));
    for (const w of [...this.#waiters]) {
      w.reject(new ManagerClosedError(this.#o.database));
    }
    for (const e of [...this.#entries]) {
      if (e.state !== "lane") this.#destroy(e, "closed");
    }
  }
}
