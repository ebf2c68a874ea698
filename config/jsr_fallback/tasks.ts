import { ROOT } from "./paths.ts";

/** One call of Deno. */
export interface Step {
  /** What it is called in the summary. */
  name: string;
  /** The arguments; `--config` and its value are put after the first one. */
  args: readonly string[];
  /** Files and folders to add, but those that do not exist; or what `exports` names. */
  paths?: readonly string[] | "exports";
  /** Whether `REDIS_URL` is to name a server that runs as long as the step. */
  redis?: boolean;
  /** Whether it runs tests; then paths that the user names replace those above. */
  tests?: boolean;
  /** Whether its files run beside each other, but those that ask to run alone. */
  suite?: boolean;
  /** Whether it needs a Redis server on this machine. One is installed if possible; without
   * one the step fails at once, in place of hundreds of tests. */
  server?: boolean;
  /** Variables that it finds in its environment, beside those of this process. */
  env?: Readonly<Record<string, string>>;
  /** Another version of Deno to run the task `test:smoke` with, through npx. */
  version?: string;
}

/** A task of `deno.json`. */
export interface Task {
  /** What it does, in a line. */
  about: string;
  /** What it runs, in this order; the user's arguments go to a task of one step. */
  steps: readonly Step[];
}

/** The oldest version of Deno that is supported. */
export const OLDEST_DENO = "2.8.3";

const SUITE = {
  name: "tests",
  args: ["test", "-A", "--trace-leaks"],
  paths: ["tests", "config/jsr_fallback"],
  tests: true,
  suite: true,
  server: true,
} satisfies Step;

const UNIT_TESTS = ["tests/unit", "config/jsr_fallback"];

/** What another version of Deno may break: sockets, commands, whole managers, processes. */
const SMOKE_TESTS = ["transport", "commands", "batches", "pubsub", "manager", "seed"]
  .map((folder) => `tests/live/${folder}`);

/** What a folder contains, by path, but one folder of it. */
function contentsBut(folder: string, excluded: string): string[] {
  return [...Deno.readDirSync(`${ROOT}/${folder}`)]
    .filter(({ name, isDirectory }) =>
      name !== excluded && (isDirectory || /\.ts$/.test(name))
    )
    .map(({ name }) => `${folder}/${name}`);
}

/** The tests, but the programs that import libraries which nothing else needs: they have
 * their types checked when they are tested, so that all else works without downloads. */
const TESTS = [
  ...contentsBut("tests", "live"),
  ...contentsBut("tests/live", "libraries"),
  ...contentsBut("tests/live/libraries", "programs"),
];

const CHECKS: readonly Step[] = [
  { name: "format", args: ["fmt", "--check"] },
  { name: "lint", args: ["lint"] },
  {
    name: "types",
    args: ["check"],
    // The stand-ins are left out: what they import is linked only where they are.
    paths: [
      "mod.ts",
      "src",
      ...TESTS,
      "bench",
      "config/demo",
      ...["run", "conformance", "pack", "with_redis", "write_lock"]
        .map((name) => `config/jsr_fallback/${name}.ts`),
    ],
  },
  { name: "documentation", args: ["doc", "--lint"], paths: "exports" },
  {
    name: "limits",
    args: ["test", "-A"],
    paths: ["tests/unit/architecture"],
    tests: true,
  },
  {
    name: "examples",
    args: ["test", "-A", "--doc"],
    // `src` has documents too.
    paths: ["mod.ts", "src", "README.md", "config/README.md"],
    tests: true,
    redis: true,
  },
  { name: "package", args: ["run", "-A", "config/jsr_fallback/pack.ts"] },
];

/** The tasks by name; `deno.json` has a line for each. */
export const TASKS: Readonly<Record<string, Task>> = {
  demo: {
    about: "opens every database of a configuration and shows that each one works",
    steps: [{ name: "demo", args: ["run", "-A", "config/demo/main.ts"] }],
  },
  test: { about: "runs the tests", steps: [SUITE] },
  "test:unit": {
    about: "runs the tests that need no server, in less than a minute",
    steps: [{ ...SUITE, name: "unit tests", paths: UNIT_TESTS, server: false }],
  },
  "test:live": {
    about: "runs the tests that need servers: REDIS_SERVER=<path> takes another one",
    steps: [{ ...SUITE, name: "live tests", paths: ["tests/live", "tests/soak"] }],
  },
  "test:smoke": {
    about: "runs the unit tests, and live tests of each part that depends on the runtime",
    steps: [{ ...SUITE, name: "smoke tests", paths: [...UNIT_TESTS, ...SMOKE_TESTS] }],
  },
  "test:faults": {
    about: "runs the fault matrix alone, with all its repetitions",
    steps: [{
      ...SUITE,
      name: "faults",
      paths: ["tests/live/faults"],
      env: { MOORING_FAULTS: "full" },
    }],
  },
  "test:libraries": {
    about: "runs the libraries that work on ioredis' clients, on those of createClient()",
    steps: [{
      ...SUITE,
      name: "libraries",
      paths: ["tests/live/libraries"],
      env: { MOORING_LIBRARIES: "all" },
    }],
  },
  soak: {
    about: "runs a mixed load with a random fault every 5 s, for 30 minutes",
    steps: [{
      name: "soak",
      args: ["run", "-A", "--v8-flags=--expose-gc", "tests/soak/main.ts"],
    }],
  },
  bench: {
    about: "measures a server and recommends settings for it",
    steps: [{ name: "bench", args: ["run", "-A", "bench/main.ts"] }],
  },
  "bench:quick": {
    about: "measures a server of its own in less than a minute",
    steps: [{ name: "bench", args: ["run", "-A", "bench/main.ts", "--quick"] }],
  },
  check: { about: "runs the gate without its tests", steps: CHECKS },
  ok: {
    about: "runs the gate: every check, all tests, and some on the oldest Deno",
    steps: [
      ...CHECKS,
      SUITE,
      { ...SUITE, name: `tests on Deno ${OLDEST_DENO}`, version: OLDEST_DENO },
    ],
  },
};
