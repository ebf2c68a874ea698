import { assertEquals } from "@std/assert";
import {
  readEpoch,
  readPrimary,
  readRole,
  readSentinels,
  readSwitch,
} from "../../../src/sentinel/client.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("readPrimary() reads host and port, and nothing else as an address", () => {
  const address = { host: "10.0.0.1", port: 6379 };
  assertEquals(readPrimary(["10.0.0.1", "6379"]), address);
  assertEquals(readPrimary([bytes("10.0.0.1"), bytes("6379")]), address);
  const bad = [null, [], ["h"], ["", "1"], ["h", "0"], ["h", "65536"], ["h", "1x"], "h"];
  for (const reply of bad) assertEquals(readPrimary(reply), undefined, `${reply}`);
});

Deno.test("readSentinels() reads the addresses of those that have one", () => {
  const fields = (...list: string[]) => list.map(bytes);
  assertEquals(
    readSentinels([
      fields("name", "abc", "ip", "10.0.0.1", "port", "26379", "flags", "sentinel"),
      fields("name", "abc"),
      "odd",
      ["port", "26380", "ip", "sentinel-2.internal"],
    ]),
    [{ host: "10.0.0.1", port: 26379 }, { host: "sentinel-2.internal", port: 26380 }],
  );
  assertEquals(readSentinels(null), []);
});

Deno.test("readEpoch() reads the number of the failover, and no other text", () => {
  const fields = (epoch: string) => ["name", "m", "config-epoch", epoch].map(bytes);
  assertEquals(readEpoch(fields("12")), 12);
  for (const odd of ["", "-1", "1.5", "x"]) {
    assertEquals(readEpoch(fields(odd)), undefined, odd);
  }
  assertEquals([readEpoch(["name", "m"]), readEpoch(null)], [undefined, undefined]);
});

Deno.test("readSwitch() reads the new address, of the primary that matters alone", () => {
  const message = "cache 10.0.0.1 6379 10.0.0.2 6380";
  assertEquals(readSwitch(message, "cache"), { host: "10.0.0.2", port: 6380 });
  assertEquals(readSwitch(message, "cach"), undefined);
  assertEquals(readSwitch("cache 10.0.0.1 6379", "cache"), undefined);
});

Deno.test("readRole() reads the first field", () => {
  assertEquals(readRole([bytes("master"), 0, []]), "master");
  assertEquals(readRole("OK"), "");
});
