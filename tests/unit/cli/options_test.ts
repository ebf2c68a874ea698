import { assertEquals, assertThrows } from "@std/assert";
import { InvalidArgumentError } from "commander";
import denoJson from "../../../deno.json" with { type: "json" };
import { main } from "../../../src/cli/main.ts";
import { parseCount, parseSeconds, parseUrl } from "../../../src/cli/commands.ts";
import { CliExit } from "../../../src/cli/terminal.ts";
import { VERSION } from "../../../src/core/version.ts";
import { testIo } from "./_io.ts";

Deno.test("parseSeconds() gives milliseconds, and refuses what is none", () => {
  assertEquals(["0.1", "2", "86400"].map(parseSeconds), [100, 2000, 86_400_000]);
  for (const text of ["", " ", "abc", "0", "-1", "86401", "NaN", "Infinity", "1s"]) {
    assertThrows(() => parseSeconds(text), InvalidArgumentError);
  }
});

Deno.test("parseCount() takes whole numbers from 1", () => {
  assertEquals(["1", "1000000"].map(parseCount), [1, 1_000_000]);
  for (const text of ["", "0", "1.5", "-1", "1e3", "1000001", "x"]) {
    assertThrows(() => parseCount(text), InvalidArgumentError);
  }
});

Deno.test("parseUrl() takes its schemes, and never says what was refused", () => {
  const parse = parseUrl(["redis:", "rediss:"]);
  assertEquals(parse("rediss://h:1"), "rediss://h:1");
  for (const text of ["http://:s3cret@h", "s3cret", ""]) {
    const error = assertThrows(() => parse(text), CliExit);
    assertEquals(error.message.includes("s3cret"), false);
  }
});

Deno.test("wrong usage never repeats a password", async () => {
  const url = "http://:s3cretpw@h";
  for (
    const args of [
      ["doctor", "--url", url],
      ["doctor", "-u", url],
      ["--url", url],
      [url],
      [
        "doctor",
        `--uri=${url}`,
      ],
    ]
  ) {
    const io = testIo();
    assertEquals([await main(args, io), io.written], [64, []]);
    assertEquals(io.said.length > 0, true);
    assertEquals(io.said.join("").includes("s3cretpw"), false, io.said.join(""));
  }
});

Deno.test("--version says what deno.json says", async () => {
  const io = testIo();
  assertEquals(await main(["--version"], io), 0);
  assertEquals(io.written.join(""), `${denoJson.version}\n`);
  assertEquals(VERSION, denoJson.version);
});

Deno.test("every command has a --help of its own with exit code 0, on standard output", async () => {
  for (
    const words of [
      ...[[], ["init"], ["dev"], ["doctor"], ["stats"], ["config"], ["config", "check"]],
      ...[["config", "explain"], ["config", "schema"], ["config", "init"], [
        "completions",
      ]],
    ]
  ) {
    const io = testIo();
    assertEquals(await main([...words, "--help"], io), 0);
    const text = io.written.join("");
    assertEquals(
      text.startsWith(`Usage: ${["mooring", ...words].join(" ")}`),
      true,
      text,
    );
    assertEquals(io.said, []);
    const wide = text.split("\n").filter(({ length }) => length > 80);
    assertEquals(wide, [], words.join(" "));
  }
});

Deno.test("wrong usage is 64, and says so on standard error alone", async () => {
  for (
    const args of [
      ...[[], ["nothing"], ["doctor", "--nothing"], ["doctor", "--instances", "x"]],
      ...[["completions"], ["completions", "tcsh"], ["stats", "--url", "ftp://h"]],
      ...[["dev", "--port", "65536"], ["init", "a", "b"]],
      ...[["stats", "--url", "http://h", "--config", "f"], ["config"]],
    ]
  ) {
    const io = testIo();
    assertEquals([await main(args, io), args], [64, args]);
    assertEquals(io.written, [], args.join(" "));
    assertEquals(io.said.length > 0, true, args.join(" "));
  }
});
