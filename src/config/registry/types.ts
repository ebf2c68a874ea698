/** Where a service lives, as a registry knows it. */
export interface ServiceConfig {
  /** Host name or address. */
  readonly host: string;
  /** TCP port, 1 to 65535. */
  readonly port: number;
  /** ACL user, where the registry knows one. */
  readonly username?: string;
  /** Password, where the registry knows one. */
  readonly password?: string;
}

/** What a registry answers: nothing when it does not know the service. */
export type ServiceAnswer = ServiceConfig | undefined | null;

/** How a registry is asked. */
export interface ServiceRequest {
  /** Aborted when the answer is not waited for any longer. */
  readonly signal?: AbortSignal;
}

/**
 * Knows where services live. Configuration asks it for `redis`; what it answers is used
 * for what neither code, environment nor YAML say.
 *
 * @example Usage
 * ```ts
 * import { RedisConfigLoader, type ServiceRegistry } from "@mooring/redis/config";
 * import { assertEquals } from "@std/assert";
 *
 * const registry: ServiceRegistry = {
 *   getServiceConfig: (name) =>
 *     name === "redis" ? { host: "10.0.0.7", port: 6380 } : undefined,
 * };
 * const config = await RedisConfigLoader.load({ yamlText: "", env: {}, registry });
 * assertEquals(config.databases.main.port, 6380);
 * ```
 */
export interface ServiceRegistry {
  /** What errors and `explain` call it; `service registry` by default. */
  readonly label?: string;
  /**
   * Finds a service.
   *
   * @param name The service's name.
   * @param request How it is asked.
   * @returns Where the service lives, at once or later.
   */
  getServiceConfig(
    name: string,
    request?: ServiceRequest,
  ): ServiceAnswer | Promise<ServiceAnswer>;
}
