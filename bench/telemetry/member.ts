import type { TelemetryOptions } from "../../mod.ts";

/** A manager that is measured. */
export interface Variant {
  /** What it is called in the table. */
  readonly name: string;
  /** Folder of the package that it is of, with a slash at the end. */
  readonly folder: string;
  /** Whether its process has an OpenTelemetry provider: Deno's own exporter. */
  readonly isExported: boolean;
  /** What its manager is told. */
  readonly telemetry?: boolean | TelemetryOptions;
}

/** The configuration that a package is run with: the generated one, where there is one. */
function configOf(folder: string): string {
  try {
    Deno.statSync(`${folder}deno.local.json`);
    return `${folder}deno.local.json`;
  } catch {
    return `${folder}deno.json`;
  }
}

const encoder = new TextEncoder();

/** A manager in a process of its own. */
export class TelemetryMember {
  /** What it is called in the table. */
  readonly name: string;
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  #rest = "";

  private constructor(name: string, child: Deno.ChildProcess) {
    this.name = name;
    this.#child = child;
    this.#lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#input = child.stdin.getWriter();
  }

  /**
   * Starts a process and connects its manager.
   *
   * @param variant What it is.
   * @param url The server.
   * @param sinkPort Where it exports to.
   * @returns The member, ready.
   */
  static async open(
    { folder, isExported, name, telemetry }: Variant,
    url: string,
    sinkPort: number,
  ): Promise<TelemetryMember> {
    const script = new URL("./process.ts", import.meta.url).pathname;
    const options = JSON.stringify({
      url,
      databases: { main: {} },
      ...(telemetry === undefined ? {} : { telemetry }),
    });
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "--quiet", "--no-lock", "--no-check"],
        ...["--config", configOf(folder), script, `file://${folder}mod.ts`, options],
      ],
      env: isExported
        ? {
          OTEL_DENO: "true",
          OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${sinkPort}`,
        }
        : {},
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const member = new TelemetryMember(name, child);
    await member.#readLine();
    return member;
  }

  /**
   * Runs a load.
   *
   * @param concurrency Callers.
   * @param durationMs How long, in milliseconds.
   * @returns Commands a second.
   */
  async run(concurrency: number, durationMs: number): Promise<number> {
    await this.#input.write(encoder.encode(`${concurrency} ${durationMs}\n`));
    return Number(await this.#readLine());
  }

  /** Ends the process. */
  async close(): Promise<void> {
    await this.#input.close();
    await this.#lines.cancel();
    await this.#child.status;
  }

  async #readLine(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf("\n");
      if (end >= 0) {
        const line = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end + 1);
        return line;
      }
      const { done, value } = await this.#lines.read();
      if (done) throw new Error(`The process of "${this.name}" ended`);
      this.#rest += value;
    }
  }
}
