/**
 * What every assertion of this package throws.
 *
 * @example Usage
 * ```ts
 * import { AssertionError } from "@std/assert/assertion-error";
 *
 * const error = new AssertionError("1 is not 2");
 * ```
 */
export class AssertionError extends Error {
  /**
   * Constructs a new instance.
   *
   * @param message What did not hold.
   * @param options The cause, if there is one.
   */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}
