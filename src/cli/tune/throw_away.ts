/** Programs that speak Redis' protocol, in the order in which they are looked for. */
const PROGRAMS = ["redis-server", "valkey-server"] as const;
/** How long a server may take to come up, in milliseconds. */
const START_MS = 10_000;
/** How often another port is tried when somebody took the first one. */
const RACES = 5;

/** A server that is there for one run. */
export interface ThrowAwayServer extends AsyncDisposable {
  /** Where it is. */
  readonly url: string;
}

/**
 * Starts a server on loopback that keeps nothing: no persistence, a temporary folder.
 *
 * @returns The server; disposing ends it, by its process, and removes the folder.
 * @throws {Error} If there is no program on PATH, or it does not come up.
 */
export async function startThrowAway(): Promise<ThrowAwayServer> {
  const dir = await Deno.makeTempDir({ prefix: "mooring-tune-" });
  let problem = "";
  try {
    for (let race = 0; race < RACES; race++) {
      const port = freePort();
      const child = spawn(port, dir);
      if (await comesUp(child, port)) return serverOf(child, port, dir);
      await end(child);
      problem = `it did not answer on port ${port} within ${START_MS} ms`;
    }
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  await Deno.remove(dir, { recursive: true });
  throw new Error(
    `Cannot start a server for the run: ${problem}; name one with --url or --config`,
  );
}

function serverOf(
  child: Deno.ChildProcess,
  port: number,
  dir: string,
): ThrowAwayServer {
  return {
    url: `redis://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      await end(child);
      await Deno.remove(dir, { recursive: true });
    },
  };
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

function spawn(port: number, dir: string): Deno.ChildProcess {
  const args = [
    ...["--port", String(port), "--bind", "127.0.0.1", "--dir", dir],
    ...["--save", "", "--appendonly", "no", "--daemonize", "no"],
  ];
  for (const program of PROGRAMS) {
    try {
      const options = { args, stdin: "null", stdout: "null", stderr: "null" } as const;
      return new Deno.Command(program, options).spawn();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  throw new Error(`there is no ${PROGRAMS.join(" or ")} on PATH`);
}

async function comesUp(child: Deno.ChildProcess, port: number): Promise<boolean> {
  let isOver = false;
  child.status.then(() => isOver = true);
  const until = performance.now() + START_MS;
  while (!isOver && performance.now() < until) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      // Its own port, unless it is just ending because another program has that one.
      await new Promise((resolve) => setTimeout(resolve, 50));
      return !isOver;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  return false;
}

async function end(child: Deno.ChildProcess): Promise<void> {
  try {
    child.kill("SIGTERM");
  } catch {
    // It has ended already.
  }
  await child.status;
}
