import { Redis } from "../connection/driver.ts";
import type { IORedisCommand } from "../connection/library_types.ts";
import { ManagedCommand } from "../connection/managed_command.ts";

type Method = (this: Redis, ...args: unknown[]) => unknown;

/** Where the library keeps the methods that do nothing but make a command and send it. */
const LIBRARY = Object.getPrototypeOf(Redis.prototype) as Record<string, Method>;

/**
 * Gives a client command methods that make commands of our own, in place of those of the
 * library that make its own. What the client or the library's client define themselves
 * stays. They stand in an object between the client and the library's: to add 600 of them
 * to a prototype takes a start one or two milliseconds, to an object that is made one
 * afterwards half of that.
 *
 * @param client The prototype of the client.
 */
export function defineCommandMethods(client: Redis): void {
  const methods: Record<string, Method> = {};
  for (const name of client.getBuiltinCommands()) {
    defineMethod(methods, name, name, "utf8");
    defineMethod(methods, `${name}Buffer`, name, null);
  }
  Object.setPrototypeOf(methods, Object.getPrototypeOf(client));
  Object.setPrototypeOf(client, methods);
}

function defineMethod(
  methods: Record<string, Method>,
  method: string,
  name: string,
  replyEncoding: "utf8" | null,
): void {
  const library = LIBRARY[method];
  if (library === undefined || Object.hasOwn(Redis.prototype, method)) return;
  methods[method] = function (...args) {
    // A callback, which the library calls.
    if (typeof args[args.length - 1] === "function") return library.apply(this, args);
    const { keyPrefix } = this.options;
    const command = new ManagedCommand(name, args, { replyEncoding, keyPrefix });
    return this.sendCommand(command as unknown as IORedisCommand);
  };
}
