import {
  ConfigError,
  type ManagerConfig,
  RedisConnectionManager,
  UnknownDatabaseError,
} from "../../../mod.ts";
import type { DoctorOptions } from "../commands.ts";
import { loadConfig } from "../load_config.ts";
import { isGranted } from "../permissions.ts";
import { Progress } from "../progress.ts";
import { CliExit, type CliIo, printJson } from "../terminal.ts";
import { checkConnection } from "./connection_checks.ts";
import {
  type DoctorReport,
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

/** A server that loads its data is waited for only until it has said so, in milliseconds. */
const LOADING_MS = 3000;

/**
 * `doctor`: checks the configuration, the process and every server, and prints the findings.
 *
 * @throws {CliExit} With 1 for warnings, with 2 for failures.
 */
export async function runDoctor(io: CliIo, options: DoctorOptions): Promise<void> {
  const report = await examine(io, options);
  if (options.json) printJson(io, report);
  else io.out(reportText(io, report));
  if (report.exitCode !== 0) throw new CliExit(report.exitCode);
}

async function examine(io: CliIo, options: DoctorOptions): Promise<DoctorReport> {
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
    return makeReport(findings, []);
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
  return makeReport(findings, names.flatMap((name) => configured.explain(name)));
}

function judgeSettings({ databases, warnings }: ManagerConfig): Verdict[] {
  if (warnings.length > 0) {
    return warnings.map((warning) => warn(warning, "change it, or say that it is meant"));
  }
  const count = Object.keys(databases).length;
  return [ok(`${count} ${count === 1 ? "database" : "databases"}, no warnings`)];
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

async function checkDatabases(
  io: CliIo,
  options: DoctorOptions,
  names: readonly string[],
): Promise<Finding[]> {
  const findings: Finding[] = [];
  // One attempt, and no long wait for a server that loads: the doctor reports the present.
  const config = await loadConfig("doctor", options, {
    connectRetry: { attempts: 1 },
    connectTimeoutMs: options.timeout,
    loadingTimeoutMs: LOADING_MS,
  });
  await using manager = new RedisConnectionManager(config);
  using progress = new Progress(io, "checking");
  for (const [index, name] of names.entries()) {
    progress.update(index, names.length, name);
    const report = (check: string, verdict: Verdict) =>
      findings.push({ scope: `databases.${name}`, check, ...verdict });
    const database = config.databases[name]!;
    const client = await checkConnection(manager, database, options.timeout, report);
    if (client === undefined) continue;
    await checkServer(manager, client, database, options.instances, report);
  }
  return findings;
}
