import {
  ConfigError,
  type ManagerConfig,
  RedisConnectionManager,
  UnknownDatabaseError,
} from "../../../mod.ts";
import { explainLines } from "../config/run.ts";
import { CliExit } from "../exit.ts";
import type { CliIo } from "../io.ts";
import { loadConfig } from "../load.ts";
import { makePaint } from "../paint.ts";
import { isGranted } from "../permissions.ts";
import { Progress } from "../progress.ts";
import { checkDatabase } from "./check_database.ts";
import type { DoctorOptions } from "./command.ts";
import { type DoctorReport, type Finding, makeReport, type Status } from "./report.ts";

/** A server that loads is waited for only until it has said so, in milliseconds. */
const LOADING_MS = 3000;

/**
 * `doctor`: looks at everything, and prints a line for each thing.
 *
 * @param io What it reads and writes.
 * @param options What the user asked for.
 * @throws {CliExit} With 1 if something deserves a look, with 2 if something fails.
 */
export async function runDoctor(io: CliIo, options: DoctorOptions): Promise<void> {
  const report = await examine(io, options);
  io.out(options.json ? `${JSON.stringify(report, null, 2)}\n` : asText(io, report));
  if (report.exitCode !== 0) throw new CliExit(report.exitCode);
}

async function examine(io: CliIo, options: DoctorOptions): Promise<DoctorReport> {
  const findings: Finding[] = [];
  const written = await loadConfig("doctor", options).catch((error) => {
    if (error instanceof ConfigError) return error;
    throw error;
  });
  if (written instanceof ConfigError) {
    for (const { origin, key, message } of written.problems) {
      findings.push({
        scope: "configuration",
        check: key === "" ? origin : key,
        status: "fail",
        message: `${message} (${origin})`,
        advice: "correct it there",
      });
    }
    return makeReport(findings, []);
  }
  const names = namesIn(written, options);
  judgeConfig(written, findings);
  judgeProcess(findings);
  await checkAll(io, options, names, findings);
  const explained = names.flatMap((name) => written.explain(name));
  return makeReport(findings, explained);
}

function namesIn(config: ManagerConfig, { database }: DoctorOptions): readonly string[] {
  const all = Object.keys(config.databases);
  for (const name of database ?? []) {
    if (!all.includes(name)) throw new UnknownDatabaseError(name, all);
  }
  return database ?? all;
}

function judgeConfig(config: ManagerConfig, findings: Finding[]): void {
  const scope = "configuration";
  const check = "settings";
  const { warnings, databases } = config;
  for (const message of warnings) {
    findings.push({
      scope,
      check,
      status: "warn",
      message,
      advice: "change it, or say that it is meant",
    });
  }
  if (warnings.length > 0) return;
  const count = Object.keys(databases).length;
  const message = `${count} ${
    count === 1 ? "database" : "databases"
  }, nothing to object to`;
  findings.push({ scope, check, status: "ok", message });
}

/** What else the process may do; what it may not costs a feature, not the service. */
function judgeProcess(findings: Finding[]): void {
  const scope = "process";
  findings.push({ scope, check: "env", status: "ok", message: "--allow-env" });
  if (Deno.build.os !== "linux") {
    const message = "keepalive's interval and count can be set on Linux only";
    findings.push({ scope, check: "ffi", status: "skip", message });
  } else if (isGranted({ name: "ffi" })) {
    const message = "keepalive's idle time, interval and count can all be set";
    findings.push({ scope, check: "ffi", status: "ok", message });
  } else {
    findings.push({
      scope,
      check: "ffi",
      status: "skip",
      message: "without --allow-ffi keepalive's interval and count are the kernel's",
      advice: "the heartbeat finds dead peers all the same",
    });
  }
}

async function checkAll(
  io: CliIo,
  options: DoctorOptions,
  names: readonly string[],
  findings: Finding[],
): Promise<void> {
  // One attempt, and no long wait for a server that loads: the doctor tells what is now.
  const config = await loadConfig("doctor", options, {
    connectRetry: { attempts: 1 },
    connectTimeoutMs: options.timeout,
    loadingTimeoutMs: LOADING_MS,
  });
  await using manager = new RedisConnectionManager(config);
  using progress = new Progress(io, { label: "looking at", total: names.length });
  for (const name of names) {
    progress.note(name);
    const found = config.databases[name]!;
    await checkDatabase(manager, found, options, (finding) => findings.push(finding));
    progress.advance();
  }
}

function asText(io: CliIo, report: DoctorReport): string {
  const paint = makePaint(io.useColor);
  const colours: Record<Status, (text: string) => string> = {
    ok: paint.green,
    warn: paint.yellow,
    fail: paint.red,
    skip: paint.dim,
  };
  const lines: string[] = [];
  if (report.config.length > 0) {
    lines.push(paint.bold("effective configuration"));
    lines.push(...explainLines(report.config).map((line) => `  ${line}`), "");
  }
  let scope = "";
  for (const finding of report.findings) {
    if (finding.scope !== scope) lines.push(paint.bold(finding.scope));
    scope = finding.scope;
    const { status, check, message, advice } = finding;
    lines.push(`  ${colours[status](status.padEnd(4))} ${check}: ${message}`);
    if (advice !== undefined && status !== "ok") lines.push(`       → ${advice}`);
  }
  const { ok, warn, fail, skip } = report.summary;
  lines.push("", `${ok} ok, ${warn} warn, ${fail} fail, ${skip} skip`);
  return `${lines.join("\n")}\n`;
}
