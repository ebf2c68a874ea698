import { Redis } from "../connection/driver.ts";
import type { IORedisCommand } from "../connection/library_types.ts";
import { ManagedCommand } from "../connection/managed_command.ts";

type Method = (this: Redis, ...args: unknown[]) => unknown;

/** Where the library keeps the methods that do nothing but make a command and send it. */
const LIBRARY = Object.getPrototypeOf(Redis.prototype) as Record<string, Method>;

/**
 * Gives a client command methods that make commands of our own, in place of those of the
 * library that make its own. What the client or the library's client define themselves
 * stays.
 *
 * @param client The prototype of the client.
 */
export function defineCommandMethods(client: Redis): void {
  for (const name of client.getBuiltinCommands()) {
    defineMethod(client, name, name, "utf8");
    defineMethod(client, `${name}Buffer`, name, null);
  }
}

function defineMethod(
  client: Redis,
  method: string,
  name: string,
  replyEncoding: "utf8" | null,
): void {
  const library = LIBRARY[method];
  if (library === undefined) return;
  const isDefined = [Redis.prototype, client].some((own) => Object.hasOwn(own, method));
  if (isDefined) return;
  const value: Method = function (...args) {
    // A callback, which the library calls.
    if (typeof args[args.length - 1] === "function") return library.apply(this, args);
    const { keyPrefix } = this.options;
    const command = new ManagedCommand(name, args, { replyEncoding, keyPrefix });
    return this.sendCommand(command as unknown as IORedisCommand);
  };
  Object.defineProperty(client, method, { value, writable: true, configurable: true });
}
