/**
 * One rival in a worker, so with a heap, a collector and compiled code of its own: what
 * one client leaves to the garbage collector is not paid by the next.
 *
 * @module
 */
/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
import { runLoad } from "./load.ts";
import { type RivalName, RIVALS, type Speaker } from "./rivals.ts";
import { prepare, SCENARIOS } from "./scenarios.ts";

/** What a worker is asked for. */
export type Request =
  | { readonly kind: "open"; readonly rival: RivalName; readonly url: string }
  | { readonly kind: "run"; readonly scenario: number; readonly durationMs: number }
  | { readonly kind: "close" };

let speaker: Speaker | undefined;

async function answer(request: Request): Promise<unknown> {
  if (request.kind === "open") {
    speaker = await RIVALS[request.rival](request.url);
    await prepare(speaker);
  } else if (request.kind === "run") {
    const { durationMs, scenario } = request;
    return await runLoad(speaker!, { ...SCENARIOS[scenario]!, durationMs });
  } else await speaker!.close();
}

self.onmessage = async ({ data }: MessageEvent<Request>) => {
  self.postMessage(await answer(data));
};
