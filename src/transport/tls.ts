/** What a TLS handshake needs, already read from files. */
export interface TlsMaterial {
  /** Certificates of the authorities that are trusted, PEM; the system's if absent. */
  readonly ca?: string;
  /** Client certificate, PEM. */
  readonly cert?: string;
  /** Key of the client certificate, PEM. */
  readonly key?: string;
  /** Name that the server's certificate must carry; the host if absent. */
  readonly serverName?: string;
  /** Whether the server's certificate is verified. */
  readonly verify: boolean;
}

/** Files that TLS material is read from. */
export interface TlsFiles {
  /** Certificates of the authorities that are trusted, PEM. */
  readonly caFile?: string;
  /** Client certificate, PEM. */
  readonly certFile?: string;
  /** Key of the client certificate, PEM. */
  readonly keyFile?: string;
  /** Name that the server's certificate must carry. */
  readonly serverName?: string;
  /** Whether the server's certificate is verified. */
  readonly verify: boolean;
}

/**
 * Reads what a TLS handshake needs; done for each connection, so that renewed files
 * count.
 *
 * @param files The files.
 * @param signal Ends the reading.
 * @returns Their contents.
 * @throws {Error} If a file cannot be read.
 */
export async function readTlsMaterial(
  files: TlsFiles,
  signal?: AbortSignal,
): Promise<TlsMaterial> {
  const [ca, cert, key] = await Promise.all(
    [files.caFile, files.certFile, files.keyFile].map((path) => readFile(path, signal)),
  );
  return {
    verify: files.verify,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(files.serverName === undefined ? {} : { serverName: files.serverName }),
  };
}

async function readFile(
  path: string | undefined,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await Deno.readTextFile(path, { signal });
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof Deno.errors.NotCapable) {
      const message = `this process may not read "${path}": run it with ` +
        `--allow-read=${path}`;
      throw Object.assign(new Error(message), { code: "DENIED" });
    }
    const reason = error instanceof Deno.errors.NotFound
      ? "it does not exist"
      : error instanceof Error
      ? error.name
      : "unknown reason";
    throw new Error(`cannot read the file "${path}": ${reason}`);
  }
}
