/** What goes wrong in a soak. Each fault is over, and healed, when its function is. */
import type { Random } from "../support/random.ts";
import { delay } from "../support/wait.ts";
import { CONSTANT_KEYS, type Stage } from "./stage.ts";

/** A kind of fault. */
export interface Fault {
  /** What it is, in words. */
  readonly name: string;
  /** Brings it about and heals it; takes 4 s at most. */
  readonly strike: (stage: Stage, random: Random) => Promise<void>;
}

const LEAST_MS = 100;
const MOST_MS = 2500;
/** What loading takes longer for each command in the server's log, in microseconds: the
 * server looks at its clients once in 1,024 of them. */
const LOAD_DELAY_US = 100;

/** What no server says; each is refused whatever comes before and after it. */
const GARBAGE = ["@oops\r\n", "\x00\x01\x02\x03", ":12a\r\n", "$-7\r\n", ">1\r\n_\r\n"];

const DROP = { kind: "drop" } as const;
const STALL = { kind: "stall" } as const;
const KILL_ALL = ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"] as const;

function someTime(random: Random): Promise<void> {
  return delay(random.between(LEAST_MS, MOST_MS));
}

/** Faults of the relay end with it; bytes that were dropped must not be missed later. */
async function whileRelay(
  { relay }: Stage,
  spoil: () => void,
  random: Random,
  options: { resetAfter?: boolean } = {},
): Promise<void> {
  spoil();
  await someTime(random);
  if (options.resetAfter) relay.resetAll();
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
    strike: async (stage, random) => {
      await stage.server.kill();
      await someTime(random);
      await stage.restart();
    },
  },
  {
    name: "restart in order",
    strike: (stage) => stage.restart(),
  },
  {
    name: "SIGSTOP, SIGCONT",
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
        relay.resetAll();
        await delay(random.between(1, 200));
      }
    },
  },
  {
    name: "RST storm",
    strike: (stage, random) =>
      whileRelay(stage, () => {
        stage.relay.welcome = "reset";
        stage.relay.resetAll();
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
    strike: (stage, random) =>
      whileRelay(
        stage,
        () => {
          stage.relay.welcome = "hold";
          stage.relay.resetAll();
        },
        random,
        { resetAfter: true },
      ),
  },
  {
    name: "refused",
    strike: async ({ relay }, random) => {
      await relay.refuse();
      relay.resetAll();
      await someTime(random);
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
    name: "CLIENT KILL",
    strike: async ({ ask }) => {
      await ask(...KILL_ALL);
      await ask("CLIENT", "KILL", "TYPE", "pubsub");
    },
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
      while ((await stage.server.info("persistence")).loading !== "0") await delay(20);
    },
  },
  {
    name: "BUSY script",
    strike: async ({ server, ask }, random) => {
      const looper = await server.connect();
      const looping = looper.send("EVAL", "while true do end", "0");
      looping.catch(() => {}); // thrown below
      await someTime(random);
      await ask("SCRIPT", "KILL");
      await looping;
      looper.close();
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
