import type { TLSSocket } from "node:tls";
import type { TlsSession } from "../core/address.ts";

/** TLS is spoken, and the runtime tells nothing of it. */
export const UNTOLD_TLS: TlsSession = Object.freeze({
  protocol: null,
  cipher: null,
  expiresAt: null,
});

/** What the runtime tells, where it does. */
function ask<T>(call: () => T | null | undefined): T | null {
  try {
    return call() ?? null;
  } catch {
    return null;
  }
}

/**
 * What node:tls tells of a socket.
 *
 * @param socket The socket; its handshake is over.
 * @returns A frozen description.
 */
export function describeNodeTls(socket: TLSSocket): TlsSession {
  const validTo = ask(() => socket.getPeerCertificate().valid_to);
  const expiresAt = validTo === null ? NaN : Date.parse(validTo);
  return Object.freeze({
    protocol: ask(() => socket.getProtocol()),
    cipher: ask(() => socket.getCipher().standardName ?? socket.getCipher().name),
    expiresAt: Number.isNaN(expiresAt) ? null : new Date(expiresAt).toISOString(),
  });
}
