import {
  ConfigError,
  type ManagerConfig,
  type RedisClient,
  type RedisConfig,
  RedisConnectionManager,
  UnknownDatabaseError,
} from "../../../mod.ts";
import { type ConfigOptions, loadConfig, sourceOf, targetsOf } from "../load_config.ts";
import { counted } from "../numbers.ts";
import { isGranted } from "../permissions.ts";
import { Progress } from "../progress.ts";
import { CliExit, type CliIo, printJson } from "../terminal.ts";
import { checkConnection, type Report } from "./connection_checks.ts";
import {
  fail,
  type Finding,
  makeReport,
  ok,
  reportText,
  skip,
  type Verdict,
  warn,
} from "./findings.ts";
import { checkServer } from "./server_checks.ts";

/** Options of `doctor`. */
export interface DoctorOptions extends ConfigOptions {
  /** A server: alone, without a file and without the environment's settings. */
  readonly url?: string;
  /** The databases to check; all by default. */
  readonly database?: readonly string[];
  /** Processes that use the configuration at the same time. */
  readonly instances: number;
  /** Deadline of connecting to one database, in milliseconds. */
  readonly timeout: number;
  /** Whether what is fine is printed too, and the settings that are defaults. */
  readonly all?: boolean;
}

/** A server that loads its data is waited for only until it has said so, in milliseconds. */
const LOADING_MS = 3000;

/**
 * `doctor`: checks the configuration, the process and every server, and prints the findings.
 *
 * @throws {CliExit} With 1 for warnings, with 2 for failures.
 */
export async function runDoctor(io: CliIo, options: DoctorOptions): Promise<void> {
  const { report, ...rest } = await examine(io, options);
  if (options.json) printJson(io, report);
  else io.out(reportText(io, report, { ...rest, all: options.all }));
  if (report.exitCode !== 0) throw new CliExit(report.exitCode);
}

async function examine(io: CliIo, options: DoctorOptions) {
  const configured = await loadConfig("doctor", options).catch((error) => {
    if (error instanceof ConfigError) return error;
    throw error;
  });
  if (configured instanceof ConfigError) {
    const findings = configured.problems.map(({ key, message, origin }) => ({
      scope: "configuration",
      check: key === "" ? origin : key,
      ...fail(`${message} (${origin})`, "correct it there"),
    }));
    return { report: makeReport(findings, []), settings: [], subject: "configuration" };
  }
  const all = Object.keys(configured.databases);
  const names = options.database ?? all;
  const unknown = names.find((name) => !all.includes(name));
  if (unknown !== undefined) throw new UnknownDatabaseError(unknown, all);
  const findings: Finding[] = [
    ...judgeSettings(configured).map((verdict) => ({
      ...{ scope: "configuration", check: "settings" },
      ...verdict,
    })),
    { scope: "process", check: "env", ...ok("--allow-env") },
    { scope: "process", check: "ffi", ...judgeFfi() },
    ...await checkDatabases(io, options, names),
  ];
  const values = names.flatMap((name) => configured.explain(name));
  const settings = names.flatMap((name) => {
    const scope = `databases.${name}`;
    return configured.explain(name).map((value) => ({
      ...value,
      ...{ scope, path: value.path.slice(scope.length + 1) },
    }));
  });
  const { config, url } = options;
  const { main } = configured.databases;
  // The URL itself may hold a password.
  const where = main !== undefined && url !== undefined && config === undefined
    ? targetsOf(main)[0] ?? main.unixSocket
    : sourceOf(configured);
  const subject = `${counted(names.length, "database")} of ${where}`;
  return { report: makeReport(findings, values), settings, subject };
}

function judgeSettings({ databases, warnings }: ManagerConfig): Verdict[] {
  if (warnings.length > 0) {
    return warnings.map((warning) => warn(warning));
  }
  const count = Object.keys(databases).length;
  return [ok(`${counted(count, "database")}, no warnings`)];
}

/** Without the permission a feature is missing, and the service works. */
function judgeFfi(): Verdict {
  if (Deno.build.os !== "linux") {
    return skip("keepalive's interval and count can be set on Linux only");
  }
  return isGranted({ name: "ffi" })
    ? ok("keepalive's idle time, interval and count can all be set")
    : skip(
      "without --allow-ffi keepalive's interval and count are the kernel's",
      "the heartbeat finds dead connections all the same",
    );
}

/** What was found out about a database. */
interface Checked {
  readonly database: RedisConfig;
  /** A client, if it is connected. */
  readonly client: RedisClient | undefined;
  readonly verdicts: Parameters<Report>[];
}

async function checkDatabases(
  io: CliIo,
  options: DoctorOptions,
  names: readonly string[],
): Promise<Finding[]> {
  // One attempt, and no long wait for a server that loads: the doctor reports the present.
  const config = await loadConfig("doctor", options, {
    connectRetry: { attempts: 1 },
    connectTimeoutMs: options.timeout,
    loadingTimeoutMs: LOADING_MS,
  });
  await using manager = new RedisConnectionManager(config);
  using progress = new Progress(io, "checking");
  let done = 0;
  const checked = names.map(async (name): Promise<Checked> => {
    const verdicts: Checked["verdicts"] = [];
    const report: Report = (...verdict) => verdicts.push(verdict);
    const database = config.databases[name]!;
    const client = await checkConnection(manager, database, options.timeout, report);
    progress.update(++done, names.length, name);
    return { database, client, verdicts };
  });
  // What is the server's is asked for once, and holds for all databases there.
  const ofServers = new Map<string, Checked["verdicts"]>();
  for (const { client, database, verdicts } of await Promise.all(checked)) {
    if (client === undefined) continue;
    const { mode, name, readFrom, username } = database;
    const { endpoint } = manager.getHealthStatus().databases[name]!;
    const server = JSON.stringify([endpoint, mode, username, readFrom]);
    let found = ofServers.get(server);
    if (found === undefined) {
      ofServers.set(server, found = []);
      const report: Report = (...verdict) => found!.push(verdict);
      await checkServer(manager, client, database, options.instances, report);
    }
    verdicts.push(...found);
  }
  return (await Promise.all(checked)).flatMap(({ database, verdicts }) =>
    verdicts.map(([check, verdict]) => ({
      scope: `databases.${database.name}`,
      check,
      ...verdict,
    }))
  );
}
