/** What goes wrong in a soak. Each fault is over, and healed, when its function is. */
import { delay } from "../../src/testing/wait.ts";
import type { Random } from "../support/random.ts";
import type { Load } from "./load.ts";
import { CONSTANT_KEYS, type Stage } from "./stage.ts";

/** A kind of fault. */
export interface Fault {
  /** What it is, in words. */
  readonly name: string;
  /** Whether the server cannot be reached meanwhile, or does nothing. */
  readonly isOutage?: boolean;
  /** Brings it about and heals it; takes 6 s at most, where nothing keeps it waiting. */
  readonly strike: (stage: Stage, random: Random, load: Load) => Promise<void>;
}

const LEAST_MS = 100;
const MOST_MS = 2500;
/** Shortest and longest time in which a server is down or cannot be reached. */
const LEAST_OUTAGE_MS = 300;
const MOST_OUTAGE_MS = 5000;
/** What loading takes longer for each command in the server's log, in microseconds: the
 * server looks at its clients once in 1,024 of them. */
const LOAD_DELAY_US = 100;

/** Time in which a server with a `timeout` of 1 s has closed what is idle. */
const IDLE_MS = 2500;

/** What no server says; each is refused whatever comes before and after it. */
const GARBAGE = ["@oops\r\n", "\x00\x01\x02\x03", ":12a\r\n", "$-7\r\n", ">1\r\n_\r\n"];

const DROP = { kind: "swallow" } as const;
const STALL = { kind: "stall" } as const;
const KILL_ALL = ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"] as const;

function someTime(random: Random): Promise<void> {
  return delay(random.between(LEAST_MS, MOST_MS));
}

function someOutage(random: Random): Promise<void> {
  return delay(random.between(LEAST_OUTAGE_MS, MOST_OUTAGE_MS));
}

/** Faults of the relay end with it. */
async function whileRelay(
  { relay }: Stage,
  spoil: () => void,
  random: Random,
  options: { resetAfter?: boolean } = {},
): Promise<void> {
  spoil();
  await someTime(random);
  if (options.resetAfter) relay.reset();
  relay.heal();
}

/** A setting of the server that is wrong for a while. */
async function whileSetting(
  stage: Stage,
  name: string,
  [wrong, right]: readonly [string, string],
  body: () => Promise<void>,
): Promise<void> {
  await stage.configure(name, wrong);
  await body();
  await stage.configure(name, right);
}

/** All faults. */
export const FAULTS: readonly Fault[] = [
  {
    name: "kill -9 and restart",
    isOutage: true,
    strike: async (stage, random) => {
      await stage.server.kill();
      await someOutage(random);
      await stage.restart();
      await stage.untilServing();
    },
  },
  {
    name: "restart in order",
    isOutage: true,
    strike: async (stage) => {
      await stage.restart();
      await stage.untilServing();
    },
  },
  {
    name: "SIGSTOP and SIGCONT",
    isOutage: true,
    strike: async ({ server }, random) => {
      server.pause();
      await someTime(random);
      server.resume();
    },
  },
  {
    name: "RST of every connection",
    strike: async ({ relay }, random) => {
      for (let times = random.between(1, 5); times > 0; times--) {
        relay.reset();
        await delay(random.between(1, 200));
      }
    },
  },
  {
    name: "RST storm",
    isOutage: true,
    strike: (stage, random) =>
      whileRelay(stage, () => {
        stage.relay.welcome = "reset";
        stage.relay.reset();
      }, random),
  },
  {
    name: "replies swallowed",
    strike: (stage, random) => {
      const cut = { kind: "cut", afterBytes: 0, how: "reset" } as const;
      return whileRelay(stage, () => stage.relay.set({ toClient: cut }), random);
    },
  },
  {
    name: "cut inside a reply",
    strike: (stage, random) => {
      const how = random.pick(["end", "reset"] as const);
      const cut = { kind: "cut", afterBytes: random.below(300), how } as const;
      return whileRelay(stage, () => stage.relay.set({ toClient: cut }), random);
    },
  },
  {
    name: "cut inside a command",
    strike: (stage, random) => {
      const how = random.pick(["end", "reset"] as const);
      const cut = { kind: "cut", afterBytes: random.below(300), how } as const;
      return whileRelay(stage, () => stage.relay.set({ toServer: cut }), random);
    },
  },
  {
    name: "delay",
    strike: (stage, random) => {
      const late = { kind: "delay", ms: random.between(5, 700) } as const;
      return whileRelay(
        stage,
        () => stage.relay.set({ toServer: late, toClient: late }),
        random,
      );
    },
  },
  {
    name: "stall",
    strike: (stage, random) => {
      const ways = [{ toServer: STALL }, { toClient: STALL }, {
        toServer: STALL,
        toClient: STALL,
      }];
      return whileRelay(stage, () => stage.relay.set(random.pick(ways)), random);
    },
  },
  {
    name: "half-open",
    isOutage: true,
    strike: (stage, random) =>
      whileRelay(
        stage,
        () => stage.relay.set({ toServer: DROP, toClient: DROP }),
        random,
        { resetAfter: true },
      ),
  },
  {
    name: "accepted and silent",
    isOutage: true,
    strike: (stage, random) =>
      whileRelay(
        stage,
        () => {
          stage.relay.welcome = "hold";
          stage.relay.reset();
        },
        random,
        { resetAfter: true },
      ),
  },
  {
    name: "refused",
    isOutage: true,
    strike: async ({ relay }, random) => {
      await relay.refuse();
      relay.reset();
      await someOutage(random);
      await relay.listen();
    },
  },
  {
    name: "garbage",
    strike: async ({ relay }, random) => {
      for (let times = random.between(1, 5); times > 0; times--) {
        const garbage = random.pick(GARBAGE);
        for (const connection of relay.connections) void connection.inject(garbage);
        await delay(random.between(1, 200));
      }
    },
  },
  {
    name: "maxclients",
    strike: (stage, random) =>
      whileSetting(stage, "maxclients", ["1", "10000"], async () => {
        await stage.ask(...KILL_ALL);
        await someTime(random);
      }),
  },
  {
    name: "CLIENT KILL TYPE normal",
    strike: async ({ ask }) => void await ask(...KILL_ALL),
  },
  {
    name: "CLIENT KILL of all",
    strike: async ({ ask }) => {
      await ask(...KILL_ALL);
      await ask("CLIENT", "KILL", "TYPE", "pubsub");
    },
  },
  {
    name: "idle connections closed together",
    strike: async (stage, _random, load) => {
      await load.leaveIdle();
      await stage.configure("timeout", "1");
      await delay(IDLE_MS);
      // The tests' own connection may be among those that were closed.
      const own = await stage.server.connect();
      await own.send("CONFIG", "SET", "timeout", 0);
      own.close();
      await stage.ask("PING").catch(() => {});
    },
  },
  {
    name: "blocking commands aborted while elements arrive",
    strike: (_stage, random, load) => load.abortPops(random),
  },
  {
    name: "CLIENT PAUSE",
    strike: async ({ ask }, random) => {
      const ms = random.between(LEAST_MS, MOST_MS);
      await ask("CLIENT", "PAUSE", ms, random.pick(["ALL", "WRITE"]));
      await delay(ms);
    },
  },
  {
    name: "LOADING in mid-life",
    strike: async (stage, random) => {
      const ms = random.between(LEAST_MS, MOST_MS);
      const slow = String(Math.round(ms * 1000 / CONSTANT_KEYS));
      await whileSetting(stage, "key-load-delay", [slow, "0"], async () => {
        const reloader = await stage.server.connect();
        await reloader.send("DEBUG", "RELOAD");
        reloader.close();
      });
    },
  },
  {
    name: "LOADING after kill -9",
    strike: async (stage, random) => {
      await stage.server.kill();
      // Each command of the log takes its time, however many there are by now.
      await stage.restart({ "key-load-delay": String(LOAD_DELAY_US) });
      await someTime(random);
      await stage.configure("key-load-delay", "0");
      await stage.untilServing();
    },
  },
  {
    name: "BUSY script",
    strike: async ({ server }, random) => {
      using looper = await server.connect();
      // Open before the script runs: a busy server refuses to name a new connection.
      using killer = await server.connect();
      const looping = looper.send("EVAL", "while true do end", "0");
      looping.catch(() => {}); // thrown below
      await someTime(random);
      await killer.send("SCRIPT", "KILL");
      await looping;
    },
  },
  {
    name: "READONLY",
    strike: async ({ ask }, random) => {
      await ask("REPLICAOF", "127.0.0.1", "1");
      await someTime(random);
      await ask("REPLICAOF", "NO", "ONE");
    },
  },
  {
    name: "out of memory",
    strike: (stage, random) =>
      whileSetting(stage, "maxmemory", ["1", "0"], () => someTime(random)),
  },
  {
    name: "password rotated",
    strike: async (stage, random) => {
      const password = `password-${random.below(1_000_000)}`;
      await stage.changePassword(password);
      await stage.ask(...KILL_ALL);
      // For a while the manager is told the old one.
      await delay(random.below(500));
      stage.toldPassword = password;
    },
  },
  {
    name: "event loop blocked",
    strike: (_stage, random) => {
      const until = performance.now() + random.between(LEAST_MS, MOST_MS);
      while (performance.now() < until) continue;
      return Promise.resolve();
    },
  },
  {
    name: "client frozen",
    strike: async (_stage, random) => {
      const seconds = random.between(LEAST_MS, MOST_MS) / 1000;
      const script = `kill -STOP ${Deno.pid}; sleep ${seconds}; kill -CONT ${Deno.pid}`;
      await new Deno.Command("sh", { args: ["-c", script] }).output();
    },
  },
];
