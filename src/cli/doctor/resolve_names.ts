import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { RedisConfig } from "../../../mod.ts";
import { hostClock } from "../clock.ts";
import { isGranted } from "../permissions.ts";
import { targetsOf } from "../targets.ts";
import type { Verdict } from "./server_facts.ts";

/**
 * Looks the names of a database's servers up, as a connection will.
 *
 * @param config The database.
 * @param timeoutMs How long one name may take, in milliseconds.
 * @returns The verdict.
 */
export async function resolveNames(
  config: RedisConfig,
  timeoutMs: number,
): Promise<Verdict> {
  const hosts = [...new Set(targetsOf(config).map(({ host }) => host))];
  if (hosts.length === 0) {
    return { status: "skip", message: "a Unix socket has no name to look up" };
  }
  const names = hosts.filter((host) => isIP(host) === 0);
  if (names.length === 0) {
    return { status: "ok", message: `${hosts.join(", ")}: no name to look up` };
  }
  const missing = names.filter((host) => !isGranted({ name: "net", host }));
  if (missing.length > 0) {
    return {
      status: "skip",
      message: `without --allow-net=${missing.join(",")} no name can be looked up alone`,
      advice: "the next lines show whether it leads to a server",
    };
  }
  const answers = await Promise.all(names.map((name) => resolveName(name, timeoutMs)));
  const failed = answers.some(({ addresses }) => addresses.length === 0);
  const message = answers.map(({ text }) => text).join("; ");
  return failed
    ? { status: "fail", message, advice: "check the name, and the machine's DNS" }
    : { status: "ok", message };
}

/** What a name stands for. */
interface Answer {
  readonly addresses: readonly string[];
  readonly text: string;
}

async function resolveName(name: string, timeoutMs: number): Promise<Answer> {
  const startedAt = performance.now();
  // The lookup itself takes no signal.
  const late = Promise.withResolvers<never>();
  const timer = hostClock.setTimer(
    () => late.reject(new Error(`no answer within ${timeoutMs} ms`)),
    timeoutMs,
  );
  try {
    const found = await Promise.race([lookup(name, { all: true }), late.promise]);
    const addresses = found.map(({ address }) => address);
    const ms = (performance.now() - startedAt).toFixed(1);
    const list = addresses.length === 0 ? "no address" : addresses.join(", ");
    return { addresses, text: `${name} is ${list}, found in ${ms} ms` };
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    return { addresses: [], text: `${name}: ${code ?? message}` };
  } finally {
    timer.cancel();
  }
}
