import { assertEquals } from "@std/assert";
import { VERSION } from "../../../src/core/version.ts";

Deno.test("VERSION is the version of deno.json", async () => {
  const { version } = JSON.parse(await Deno.readTextFile("deno.json"));
  assertEquals(VERSION, version);
});
