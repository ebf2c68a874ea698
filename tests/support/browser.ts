/**
 * A headless Chromium of the tests, driven over its DevTools protocol.
 *
 * @module
 */

import { ServerProcess } from "../../src/testing/server_process.ts";
import { waitFor } from "../../src/testing/wait.ts";
import { BrowserPage } from "./browser_page.ts";
import { DevTools } from "./devtools.ts";

/** Longest time until the browser listens. */
const START_MS = 60_000;

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--remote-debugging-port=0",
];

/** A running browser; it is gone, with its folder, when it is disposed of. */
export class Browser implements AsyncDisposable {
  readonly #process: ServerProcess;
  readonly #devTools: DevTools;
  readonly #folder: string;

  private constructor(process: ServerProcess, devTools: DevTools, folder: string) {
    this.#process = process;
    this.#devTools = devTools;
    this.#folder = folder;
  }

  /**
   * Starts a browser with a profile of its own.
   *
   * @param executable The browser.
   * @returns It, when it answers.
   */
  static async start(executable: string): Promise<Browser> {
    const folder = await Deno.makeTempDir({ prefix: "mooring-browser-" });
    const profile = `${folder}/profile`;
    await Deno.mkdir(profile);
    const process = ServerProcess.spawn({
      command: executable,
      args: [...FLAGS, `--user-data-dir=${profile}`, "about:blank"],
      logFile: `${folder}/log`,
      orphanDir: folder,
    });
    try {
      const url = await listeningAt(`${profile}/DevToolsActivePort`, process);
      return new Browser(process, await DevTools.connect(url), folder);
    } catch (error) {
      const said = await Deno.readTextFile(`${folder}/log`).catch(() => "");
      await process.kill();
      await removeFolder(folder);
      throw new Error(`Cannot start ${executable}: ${said.trim().slice(-600)}`, {
        cause: error,
      });
    }
  }

  /**
   * Opens a page of its own, which notes what goes wrong in it and what it asks for.
   *
   * @returns The page, still empty.
   */
  async open(): Promise<BrowserPage> {
    return await BrowserPage.open(this.#devTools);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#devTools.send("Browser.close").catch(() => {});
    this.#devTools.close();
    await this.#process.stop();
    await removeFolder(this.#folder);
  }
}

/** The address that the browser writes into its profile: a port, then a path. */
async function listeningAt(file: string, process: ServerProcess): Promise<string> {
  const lines = await waitFor(async () => {
    const text = await Deno.readTextFile(file).catch(() => "");
    return text.includes("\n") || !process.running ? { text } : undefined;
  }, { timeoutMs: START_MS, what: "the browser's port" });
  const [port, path] = lines.text.split("\n");
  if (path === undefined) throw new Error("The browser ended while it started");
  return `ws://127.0.0.1:${port}${path}`;
}

/** The browser's helpers may still write for a moment after it has ended. */
async function removeFolder(folder: string): Promise<void> {
  await waitFor(
    () => Deno.remove(folder, { recursive: true }).then(() => true, () => false),
    { timeoutMs: START_MS, what: "the removal of the browser's folder" },
  );
}
