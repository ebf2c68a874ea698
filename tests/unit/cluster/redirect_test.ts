import { assertEquals } from "@std/assert";
import {
  followsRedirect,
  MAX_REDIRECTS,
  parseRedirect,
} from "../../../src/cluster/redirect.ts";

Deno.test("parseRedirect() reads kind, slot and node", () => {
  assertEquals(parseRedirect("MOVED 3999 127.0.0.1:6381", "asked"), {
    kind: "moved",
    slot: 3999,
    node: { host: "127.0.0.1", port: 6381 },
  });
  assertEquals(parseRedirect("ASK 0 host.example:1", "asked"), {
    kind: "ask",
    slot: 0,
    node: { host: "host.example", port: 1 },
  });
});

Deno.test("parseRedirect() reads an IPv6 address, and no host as the asked one", () => {
  const nodeOf = (text: string) => parseRedirect(`MOVED 1 ${text}`, "asked")?.node;
  assertEquals(nodeOf("fe80::1:7000"), { host: "fe80::1", port: 7000 });
  assertEquals(nodeOf(":7000"), { host: "asked", port: 7000 });
  assertEquals(nodeOf("?:7000"), { host: "asked", port: 7000 });
});

Deno.test("parseRedirect() refuses what is no redirect", () => {
  for (
    const text of [
      "ERR MOVED 1 h:7000",
      "MOVED",
      "MOVED 16384 h:7000",
      "MOVED 1 h:0",
      "MOVED 1 h:65536",
      "MOVED 1 h",
      "MOVED x h:7000",
      "MOVED 1 h:7000\nASK 1 h:7000",
      "TRYAGAIN Multiple keys request during rehashing of slot",
    ]
  ) assertEquals(parseRedirect(text, "asked"), undefined, text);
});

Deno.test("followsRedirect() is bounded by number, deadline and slot", () => {
  const redirect = parseRedirect("MOVED 7 h:7000", "asked")!;
  const question = { redirect, slot: 7, followed: 0, remainingMs: 1 };
  assertEquals(followsRedirect(question), true);
  assertEquals(followsRedirect({ ...question, slot: undefined }), true);
  assertEquals(followsRedirect({ ...question, slot: 8 }), false);
  assertEquals(followsRedirect({ ...question, remainingMs: 0 }), false);
  assertEquals(followsRedirect({ ...question, followed: MAX_REDIRECTS - 1 }), true);
  assertEquals(followsRedirect({ ...question, followed: MAX_REDIRECTS }), false);
});
