import { within } from "../../src/testing/wait.ts";
import type { DevTools, DevToolsEvent, Payload } from "./devtools.ts";

/** Longest time for a page to load. */
const LOAD_MS = 60_000;

/** Resolves when the page has been drawn once more, whole. */
const DRAWN =
  "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))";

/** What a page is shown on. */
export interface Screen {
  /** Width, in pixels of CSS. */
  readonly width: number;
  /** Height, in pixels of CSS. */
  readonly height: number;
  /** What the reader prefers. */
  readonly scheme: "light" | "dark";
  /** A screen, or paper. Default: a screen. */
  readonly media?: "screen" | "print";
}

/** A page in a browser, and what it has complained of and asked for. */
export class BrowserPage {
  /** Errors and warnings of the console, uncaught exceptions. */
  readonly complaints: string[] = [];
  /** Addresses of everything that was asked for, the page itself among it. */
  readonly requests: string[] = [];
  readonly #devTools: DevTools;
  readonly #session: string;
  #onLoad = () => {};

  private constructor(devTools: DevTools, session: string) {
    this.#devTools = devTools;
    this.#session = session;
    devTools.listen(session, (event) => this.#note(event));
  }

  /** Opens an empty page. */
  static async open(devTools: DevTools): Promise<BrowserPage> {
    const { targetId } = await devTools.send("Target.createTarget", {
      url: "about:blank",
    });
    const { sessionId } = await devTools.send("Target.attachToTarget", {
      targetId,
      flatten: true,
    });
    const page = new BrowserPage(devTools, String(sessionId));
    for (const domain of ["Page", "Runtime", "Log", "Network"]) {
      await page.#send(`${domain}.enable`);
    }
    return page;
  }

  /**
   * Says what the page is shown on.
   *
   * @param screen The screen.
   */
  async show({ width, height, scheme, media = "screen" }: Screen): Promise<void> {
    await this.#send("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: false,
    });
    await this.#send("Emulation.setEmulatedMedia", {
      media,
      features: [{ name: "prefers-color-scheme", value: scheme }],
    });
    // Some of what follows from it is decided only when the page is drawn.
    await this.#evaluate(DRAWN);
  }

  /**
   * Loads a page, until all that belongs to it is there.
   *
   * @param url Its address.
   */
  async load(url: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onLoad = resolve;
    const { errorText } = await this.#send("Page.navigate", { url });
    if (errorText !== undefined) throw new Error(`Cannot load ${url}: ${errorText}`);
    await within(promise, LOAD_MS, `Loading ${url}`);
  }

  /**
   * Runs a function in the page.
   *
   * @param read The function; it sees the page and nothing from here.
   * @param argument What it is called with; JSON carries it.
   * @returns What it returns; JSON carries it.
   */
  async run<A, R>(read: (argument: A) => R, argument: A): Promise<Awaited<R>> {
    return await this.#evaluate(`(${read})(${JSON.stringify(argument)})`) as Awaited<R>;
  }

  async #evaluate(expression: string): Promise<unknown> {
    const { result, exceptionDetails } = await this.#send("Runtime.evaluate", {
      expression,
      returnByValue: true,
      awaitPromise: true,
    });
    if (exceptionDetails !== undefined) {
      throw new Error(`In the page: ${JSON.stringify(exceptionDetails)}`);
    }
    return (result as { value?: unknown }).value;
  }

  #send(method: string, params: Payload = {}): Promise<Payload> {
    return this.#devTools.send(method, params, this.#session);
  }

  #note({ method, params }: DevToolsEvent): void {
    if (method === "Page.loadEventFired") this.#onLoad();
    if (method === "Network.requestWillBeSent") {
      this.requests.push((params.request as { url: string }).url);
    }
    const isComplaint = method === "Runtime.exceptionThrown" ||
      method === "Log.entryAdded" ||
      (method === "Runtime.consoleAPICalled" &&
        ["error", "warning", "assert"].includes(String(params.type)));
    if (isComplaint) this.complaints.push(JSON.stringify(params));
  }
}
