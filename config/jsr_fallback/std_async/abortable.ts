/** A promise that only ever rejects, with the signal's reason, and its listener's removal. */
function rejectOnAbort(signal: AbortSignal): { aborted: Promise<never>; forget(): void } {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  return { aborted, forget: () => signal.removeEventListener("abort", onAbort) };
}

async function abortablePromise<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { aborted, forget } = rejectOnAbort(signal);
  try {
    return await Promise.race([aborted, promise]);
  } finally {
    forget();
  }
}

async function* abortableIterable<T>(
  iterable: AsyncIterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T> {
  signal.throwIfAborted();
  const { aborted, forget } = rejectOnAbort(signal);
  const iterator = iterable[Symbol.asyncIterator]();
  let exhausted = false;
  try {
    for (;;) {
      const step = await Promise.race([aborted, iterator.next()]);
      if (step.done) {
        exhausted = true;
        return step.value;
      }
      yield step.value;
    }
  } finally {
    forget();
    // Aborted or left early by the consumer: the source still has to be closed.
    if (!exhausted) await iterator.return?.();
  }
}

/**
 * Makes a promise rejectable through a signal.
 *
 * @typeParam T The type that the promise resolves to.
 * @param p The promise to wait for.
 * @param signal Rejects the returned promise with its reason when it aborts.
 * @returns A promise that settles as `p` does, or rejects when the signal aborts first.
 *
 * @example Usage
 * ```ts
 * import { abortable } from "@std/async/abortable";
 *
 * await abortable(Promise.resolve(1), AbortSignal.timeout(1_000));
 * ```
 */
export function abortable<T>(p: Promise<T>, signal: AbortSignal): Promise<T>;
/**
 * Makes an async iterable abortable through a signal.
 *
 * @typeParam T The type of the items.
 * @param p The iterable to read.
 * @param signal Makes the returned generator throw its reason when it aborts.
 * @returns A generator over the items of `p`.
 *
 * @example Usage
 * ```ts
 * import { abortable } from "@std/async/abortable";
 *
 * async function* numbers() {
 *   yield 1;
 * }
 * for await (const _ of abortable(numbers(), AbortSignal.timeout(1_000)));
 * ```
 */
export function abortable<T>(
  p: AsyncIterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T>;
export function abortable<T>(
  p: Promise<T> | AsyncIterable<T>,
  signal: AbortSignal,
): Promise<T> | AsyncIterable<T> {
  return p instanceof Promise
    ? abortablePromise(p, signal)
    : abortableIterable(p, signal);
}
