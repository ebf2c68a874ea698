import type {
  EndReason,
  EvictionReason,
  PoolDriver,
  Pooled,
  Purpose,
} from "../../../src/pool/types.ts";

/** A connection without a network. */
export class FakeConnection implements Pooled {
  readonly id: number;
  readonly purpose: Purpose;
  #ended: EndReason | undefined;
  readonly #onEnd: ((reason: EndReason) => void)[] = [];

  constructor(id: number, purpose: Purpose) {
    this.id = id;
    this.purpose = purpose;
  }

  /** Whether it works. */
  get alive(): boolean {
    return this.#ended === undefined;
  }

  onEnd(fn: (reason: EndReason) => void): void {
    if (this.#ended === undefined) this.#onEnd.push(fn);
    else fn(this.#ended);
  }

  /** Ends, as when the network does it. */
  end(text: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = { text };
    for (const fn of this.#onEnd) fn(this.#ended);
  }
}

/** Something that was asked of the driver and is not answered. */
export interface Asked<T> {
  /** What about; absent for an opening. */
  readonly connection?: FakeConnection;
  /** What for, if it is an opening. */
  readonly purpose?: Purpose;
  /** What ends it. */
  readonly signal?: AbortSignal;
  /** Answers. */
  answer(value: T): void;
  /** Fails. */
  fail(error: unknown): void;
}

/** What a fake driver answers by itself; what is absent waits for the test. */
export interface Answers {
  /** `true` opens, an error fails. */
  create?: () => true | Error;
  /** What recycling answers; `undefined` to let the test answer. */
  recycle?: (connection: FakeConnection) => boolean | Promise<boolean> | undefined;
  /** What validation answers. */
  validate?: () => boolean;
}

/** A driver whose every answer the test gives, and which knows what is really open. */
export class FakeDriver implements PoolDriver<FakeConnection> {
  /** What is open: neither ended nor destroyed. */
  readonly live: Set<FakeConnection> = new Set();
  /** What was destroyed, in order. */
  readonly destroyed: { id: number; reason: EvictionReason }[] = [];
  /** Openings that are not answered. */
  readonly creating: Asked<true>[] = [];
  /** Cleanings that are not answered. */
  readonly recycling: Asked<boolean>[] = [];
  /** Validations that are not answered. */
  readonly validating: Asked<boolean>[] = [];
  /** What it answers by itself. */
  answers: Answers;
  #lastId = 0;

  constructor(answers: Answers = { create: () => true, recycle: () => true }) {
    this.answers = answers;
  }

  create(signal: AbortSignal, purpose: Purpose): Promise<FakeConnection> {
    const answer = this.answers.create?.();
    if (answer instanceof Error) return Promise.reject(answer);
    if (answer) return Promise.resolve(this.#connect(purpose));
    return new Promise((resolve, reject) => {
      const asked = this.#ask(this.creating, {
        purpose,
        signal,
        answer: () => resolve(this.#connect(purpose)),
        fail: reject,
      });
      signal.addEventListener("abort", () => asked.fail(signal.reason), { once: true });
    });
  }

  recycle(connection: FakeConnection): boolean | Promise<boolean> {
    const answer = this.answers.recycle?.(connection);
    return answer ?? this.#question(this.recycling, connection);
  }

  validate(connection: FakeConnection): Promise<boolean> {
    const answer = this.answers.validate?.();
    return answer === undefined
      ? this.#question(this.validating, connection)
      : Promise.resolve(answer);
  }

  destroy(connection: FakeConnection, reason: EvictionReason): void {
    if (!this.live.delete(connection)) {
      throw new Error(`connection ${connection.id} was destroyed twice, last: ${reason}`);
    }
    this.destroyed.push({ id: connection.id, reason });
    // A real one says that it has ended, too.
    connection.end(reason);
  }

  /** Ends a connection as the network would. */
  kill(connection: FakeConnection): void {
    this.live.delete(connection);
    connection.end("killed");
  }

  #connect(purpose: Purpose): FakeConnection {
    const connection = new FakeConnection(++this.#lastId, purpose);
    this.live.add(connection);
    return connection;
  }

  #question(list: Asked<boolean>[], connection: FakeConnection): Promise<boolean> {
    return new Promise((answer, fail) => {
      this.#ask(list, { connection, answer, fail });
    });
  }

  /** Notes a question until it is answered. */
  #ask<T>(list: Asked<T>[], asked: Asked<T>): Asked<T> {
    const done = () => {
      const index = list.indexOf(noted);
      if (index !== -1) list.splice(index, 1);
      return index !== -1;
    };
    const noted: Asked<T> = {
      ...asked,
      answer: (value) => done() && asked.answer(value),
      fail: (error) => done() && asked.fail(error),
    };
    list.push(noted);
    return noted;
  }
}
