import type { OperationObserver } from "../observability/telemetry/operations.ts";
import type { CommandRoute } from "./client.ts";

/**
 * A route that reports what goes over it. Without an observer there is no such route, and
 * commands do not pass by any question about it.
 *
 * @param route Where commands go.
 * @param observer Is told of them.
 * @returns A route to the same place.
 */
export function observeRoute(
  route: CommandRoute,
  observer: OperationObserver | undefined,
): CommandRoute {
  if (observer === undefined) return route;
  return {
    ...route,
    dispatch: (command) => {
      observer.command(command);
      route.dispatch(command);
    },
    dispatchBatch: (commands) => {
      observer.commands(commands);
      route.dispatchBatch(commands);
    },
  };
}
