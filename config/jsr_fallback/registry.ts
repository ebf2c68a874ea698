import { ROOT } from "./paths.ts";

/** Where `@std/*` comes from. */
export type Registry =
  | { kind: "jsr" }
  | { kind: "stand-ins" }
  | { kind: "checkout"; folder: string };

/** The environment variable that overrides the probe: `jsr`, `local`, or a folder. */
export const OVERRIDE = "MOORING_REGISTRY";

/** The answer of a probe, which holds for the rest of its day. */
export interface Finding {
  /** The day of the probe in UTC, such as `2026-01-31`. */
  day: string;
  /** The registry that was asked. */
  url: string;
  /** Whether it answered as a registry does. */
  reachable: boolean;
}

/** How long JSR has to answer, in milliseconds. */
const PROBE_LIMIT_MS = 3_000;

/**
 * Asks JSR for a package that this project needs.
 *
 * @param url The registry, such as `https://jsr.io/`.
 * @param limitMs How long it has to answer, in milliseconds.
 * @returns Whether it answered as a registry does.
 */
export async function probe(url: string, limitMs = PROBE_LIMIT_MS): Promise<boolean> {
  try {
    const response = await fetch(new URL("@std/async/meta.json", url), {
      signal: AbortSignal.timeout(limitMs),
    });
    // A portal that answers to every name sends a page, not a list of versions.
    const meta: unknown = await response.json();
    return response.ok && typeof meta === "object" && meta !== null &&
      "versions" in meta;
  } catch {
    return false;
  }
}

/** Reads the last finding; one that cannot be read is none. */
async function readFinding(file: string): Promise<Partial<Finding>> {
  try {
    return JSON.parse(await Deno.readTextFile(file));
  } catch {
    return {};
  }
}

async function writeFinding(file: string, finding: Finding): Promise<void> {
  await Deno.mkdir(file.slice(0, file.lastIndexOf("/")), { recursive: true });
  await Deno.writeTextFile(file, JSON.stringify(finding) + "\n");
}

/** What {@linkcode chooseRegistry} needs to know. */
export interface Circumstances {
  /** The value of the overriding environment variable. */
  override: string | undefined;
  /** The registry to ask, such as `https://jsr.io/`. */
  url: string;
  /** Where the finding is kept. */
  file: string;
  /** The day in UTC, such as `2026-01-31`. */
  day: string;
  /** Asks the registry. */
  probe: (url: string) => Promise<boolean>;
}

/**
 * Decides where `@std/*` comes from: the override, else today's finding, else a probe.
 *
 * @param circumstances What the decision depends on.
 * @returns The decision.
 * @throws {Error} If the override names no folder.
 */
export async function chooseRegistry(circumstances: Circumstances): Promise<Registry> {
  const { override, url, file, day } = circumstances;
  switch (override) {
    case "jsr":
      return { kind: "jsr" };
    case "local":
      return { kind: "stand-ins" };
    case undefined:
    case "":
      break;
    default:
      return { kind: "checkout", folder: await resolveCheckout(override) };
  }
  const last = await readFinding(file);
  let { reachable } = last;
  if (last.day !== day || last.url !== url || typeof reachable !== "boolean") {
    reachable = await circumstances.probe(url);
    await writeFinding(file, { day, url, reachable });
  }
  return { kind: reachable ? "jsr" : "stand-ins" };
}

/**
 * Decides where `@std/*` comes from in the environment of this process.
 *
 * @returns The decision.
 * @throws {Error} If the override names no folder.
 */
export async function currentRegistry(): Promise<Registry> {
  return await chooseRegistry({
    override: Deno.env.get(OVERRIDE),
    url: Deno.env.get("JSR_URL") || "https://jsr.io/",
    file: `${ROOT}/.cache/registry.json`,
    day: new Date().toISOString().slice(0, 10),
    probe,
  });
}

async function resolveCheckout(override: string): Promise<string> {
  try {
    return await Deno.realPath(override);
  } catch (cause) {
    throw new Error(
      `${OVERRIDE} must be "jsr", "local", or the folder of a checkout of denoland/std: current value is "${override}"`,
      { cause },
    );
  }
}
