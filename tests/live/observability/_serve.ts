/** A manager's health endpoint behind a real HTTP server. */
import type { RedisConnectionManager } from "../../../mod.ts";

/** What an HTTP server answered. */
export interface Fetched {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Asks a path of the server. */
export type Ask = (path: string, init?: RequestInit) => Promise<Fetched>;

/**
 * Serves a manager's health for the time of a test.
 *
 * @param manager The manager.
 * @param test The test.
 */
export async function withEndpoint(
  manager: RedisConnectionManager,
  test: (ask: Ask) => Promise<void>,
): Promise<void> {
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    (request) => manager.healthResponse(request),
  );
  const client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  try {
    await test(async (path, init = {}) => {
      const url = `http://127.0.0.1:${server.addr.port}${path}`;
      const response = await fetch(url, { ...init, client });
      const { status, headers } = response;
      return { status, headers, text: await response.text() };
    });
  } finally {
    client.close();
  }
}
