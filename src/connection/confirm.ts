import type { Address } from "../core/address.ts";

/** Asks a server that is connected and authenticated, and not yet in use. */
export type Asking = (command: string) => Promise<unknown>;

/**
 * Judges whether a server is the one that was meant.
 *
 * @param endpoint Where it is.
 * @param ask Asks it.
 * @throws {WrongServer} If it is not: where to connect is asked again.
 */
export type Confirm = (endpoint: Address, ask: Asking) => Promise<void>;

/** The server is there, and it is not the one that was meant. */
export class WrongServer extends Error {}
