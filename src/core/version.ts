/** Version of the package, as `deno.json` says it: telemetry names its source by it. */
export const VERSION = "0.1.0";
