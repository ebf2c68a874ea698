import type { TelemetryOptions } from "../../mod.ts";
import { LineProcess } from "../line_process.ts";

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

/** A manager in a process of its own. */
export class TelemetryMember {
  /** What it is called in the table. */
  readonly name: string;
  readonly #process: LineProcess;

  private constructor(name: string, process: LineProcess) {
    this.name = name;
    this.#process = process;
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
    const options = JSON.stringify({
      url,
      databases: { main: {} },
      ...(telemetry === undefined ? {} : { telemetry }),
    });
    const exporter = {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${sinkPort}`,
    };
    const process = await LineProcess.start({
      script: new URL("./process.ts", import.meta.url),
      folder,
      args: [`file://${folder}mod.ts`, options],
      ...(isExported ? { env: exporter } : {}),
    });
    return new TelemetryMember(name, process);
  }

  /**
   * Runs a load.
   *
   * @param concurrency Callers.
   * @param durationMs How long, in milliseconds.
   * @returns Commands a second.
   */
  async run(concurrency: number, durationMs: number): Promise<number> {
    return Number(await this.#process.ask(`${concurrency} ${durationMs}`));
  }

  /** Ends the process. */
  async close(): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}
