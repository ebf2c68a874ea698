import { assertEquals } from "@std/assert";
import { checkMaxClients, connectionDemand } from "../../../src/config/mod.ts";
import { configOf } from "./support.ts";

const YAML =
  "databases: {a: {max_connections: 8}, b: , c: {host: other, max_connections: 3}}";

Deno.test("connectionDemand() sums the limits of each endpoint", () => {
  assertEquals([...connectionDemand(configOf(YAML))], [
    ["localhost:6379", 28],
    ["other:6379", 3],
  ]);
  const limited = configOf(`${YAML}\nmax_total_connections: 10`);
  assertEquals([...connectionDemand(limited).values()], [10, 3]);
});

Deno.test("checkMaxClients() warns with the numbers when the server takes fewer", () => {
  const config = configOf(YAML);
  const { a, c } = config.databases;
  assertEquals(checkMaxClients(config, a!, 28), undefined);
  assertEquals(
    checkMaxClients(config, a!, 27),
    "the databases on localhost:6379 may open 28 connections, the server takes 27 " +
      "(maxclients), from all its clients; lower max_connections or set " +
      "max_total_connections",
  );
  assertEquals(checkMaxClients(config, c!, 5), undefined);
  const added = config.resolveDatabase("d", { host: "new", maxConnections: 6 });
  assertEquals(checkMaxClients(config, added, 5)?.includes("open 6"), true);
});
