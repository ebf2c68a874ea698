import type { OpenReply } from "../transport/reply_assembly.ts";
import { ReplyGuard } from "../transport/reply_guard.ts";
import type { ReplyLimits } from "../transport/reply_limits.ts";

/** Commands that are answered by one confirmation for each channel, not by a reply. */
const SUBSCRIBING: ReadonlySet<string> = new Set([
  "subscribe",
  "psubscribe",
  "ssubscribe",
  "unsubscribe",
  "punsubscribe",
  "sunsubscribe",
]);

/** What the server sent is no valid reply, or more than was asked. */
export class ReplyRefused extends Error {}

/**
 * Looks at every chunk before the client library's parser does: refuses what is no valid
 * reply, and a reply that nobody asked for, which would settle another command.
 *
 * A surplus reply that comes while as many are owed, before the right one, looks exactly
 * like the right one: it settles the wrong command, and is noticed when the right ones
 * have all come, one too many. On a connection that subscribed, an error may take the
 * place of a confirmation, so that as many surplus replies can hide as there were
 * SUBSCRIBEs on it; such connections have one user only.
 */
export class ReplyCheck {
  readonly #guard: ReplyGuard;
  /** Replies that may have begun, since the connection was opened. */
  #expected = Infinity;
  #confirmations = 0;

  /**
   * Begins with a new connection.
   *
   * @param limits How much the server may make the parser hold. Default: the guard's own.
   */
  constructor(limits?: ReplyLimits) {
    this.#guard = new ReplyGuard(limits);
  }

  /** From now on replies are counted: nothing is owed. */
  begin(): void {
    this.#expected = this.#guard.begun;
  }

  /** Replies that have begun to come since the connection was opened; pushes are none. */
  get begun(): number {
    return this.#guard.begun;
  }

  /** Whether a reply has begun to come and is not whole. */
  get isPartial(): boolean {
    return this.#guard.isPartial;
  }

  /** The reply whose value the last chunk has a part of. */
  get openBulk(): OpenReply | undefined {
    return this.#guard.openBulk;
  }

  /** One more reply will come. Called for each command: only adds. */
  expectReply(): void {
    this.#expected++;
  }

  /**
   * A command of a connection that one caller has alone: it may change what comes.
   *
   * @param name Name of the command.
   * @param args Its arguments.
   * @param protocol Version of the protocol that is spoken, 2 or 3.
   */
  note(name: string, args: readonly unknown[], protocol: number): void {
    const lower = name.toLowerCase();
    if (lower === "monitor") {
      this.#expected = Infinity;
      this.#guard.mode = "monitor";
    } else if (SUBSCRIBING.has(lower)) {
      if (protocol !== 3) this.#guard.mode = "resp2-subscriber";
      // Without arguments UNSUBSCRIBE confirms each channel that there is.
      this.#confirmations += args.length === 0 ? Infinity : args.length;
    }
  }

  /**
   * Looks at bytes; what is refused must not reach the parser.
   *
   * @param chunk The bytes, as they came.
   * @throws {ReplyRefused} If they are no valid replies, or more than are owed.
   */
  inspect(chunk: Uint8Array): void {
    const guard = this.#guard;
    const found = guard.scan(chunk);
    if (typeof found !== "number") throw new ReplyRefused(found.reason);
    if (guard.begun > this.#expected) {
      throw new ReplyRefused("a reply came that no command is owed");
    }
    if (guard.confirmations > this.#confirmations) {
      throw new ReplyRefused("a confirmation came that no SUBSCRIBE is owed");
    }
  }
}
