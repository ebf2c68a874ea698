import { assertEquals } from "@std/assert";
import { type Address, formatAddress, parseAddress } from "../../../src/core/address.ts";

Deno.test("formatAddress() and parseAddress() are each other's inverse", () => {
  const addresses: readonly (readonly [string, Address])[] = [
    ["redis.internal:6379", { host: "redis.internal", port: 6379 }],
    ["127.0.0.1:6380", { host: "127.0.0.1", port: 6380 }],
    ["[::1]:6379", { host: "::1", port: 6379 }],
    ["unix:/run/redis.sock", { path: "/run/redis.sock" }],
  ];
  for (const [text, address] of addresses) {
    assertEquals(formatAddress(address), text);
    assertEquals(parseAddress(text), address);
  }
});

Deno.test("formatAddress() leaves out the name that a certificate carries", () => {
  const address = { host: "10.0.0.1", port: 6379, serverName: "redis.internal" };
  assertEquals(formatAddress(address), "10.0.0.1:6379");
});
