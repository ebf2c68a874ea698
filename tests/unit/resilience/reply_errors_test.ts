import { assert, assertEquals } from "@std/assert";
import { FAILURE_KINDS } from "../../../src/resilience/failure_kinds.ts";
import {
  classifyReplyError,
  REPLY_ERRORS,
  UNKNOWN_REPLY_ERROR,
} from "../../../src/resilience/reply_errors.ts";

const RO = "READONLY You can't write against a read only replica.";
const SHA = "119b0beb461d5982ddacc6dda6829882d5e16b4d";

Deno.test("classifyReplyError() finds the code wherever servers put it", () => {
  const cases: [string, string, boolean][] = [
    [RO, "READONLY", true],
    ["READONLY You can't write against a read only slave.", "READONLY", true],
    // Redis 7: a script's command was refused, or the script raised the error again.
    [`${RO} script: ${SHA}, on @user_script:1.`, "READONLY", true],
    [
      `ERR user_script:1: ${RO} script: ${SHA}, on @user_script:1.`,
      "READONLY",
      true,
    ],
    [
      `ERR user_function:4: ${RO} script: f, on @user_function:4.`,
      "READONLY",
      true,
    ],
    // Redis 6.2 and before.
    [
      `ERR Error running script (call to f_${SHA}): @user_script:1: @user_script: 1: -${RO}`,
      "READONLY",
      true,
    ],
    [
      `ERR Error running script (call to f_${SHA}): @user_script:1: -OOM command not ` +
      "allowed when used memory > 'maxmemory'.",
      "OOM",
      true,
    ],
    [
      `EXECABORT Transaction discarded because of: ${RO}`,
      "READONLY",
      true,
    ],
    [
      "EXECABORT Transaction discarded because of previous errors.",
      "EXECABORT",
      true,
    ],
    ["LOADING Redis is loading the dataset in memory", "LOADING", true],
    ["MASTERDOWN Link with MASTER is down and …", "MASTERDOWN", true],
    [
      "TRYAGAIN Multiple keys request during rehashing of slot",
      "TRYAGAIN",
      true,
    ],
    ["CLUSTERDOWN Hash slot not served", "CLUSTERDOWN", true],
    ["MOVED 3999 127.0.0.1:6381", "MOVED", true],
    ["ASK 3999 127.0.0.1:6381", "ASK", true],
    ["BUSY Redis is busy running a script.", "BUSY", true],
    ["NOSCRIPT No matching script. Please use EVAL.", "NOSCRIPT", true],
    ["ERR max number of clients reached", "MAXCLIENTS", true],
    [
      "ERR max number of clients + cluster connections reached",
      "MAXCLIENTS",
      true,
    ],
    ["UNBLOCKED client unblocked via CLIENT UNBLOCK", "UNBLOCKED", true],
    [
      "UNBLOCKED force unblock from blocking operation, instance state changed " +
      "(master -> replica?)",
      "BLOCKED_DEMOTED",
      true,
    ],
    ["WRONGTYPE Operation against a key …", "WRONGTYPE", true],
    // What came before in the script stays.
    [
      `WRONGTYPE Operation … script: ${SHA}, on @user_script:1.`,
      "WRONGTYPE",
      false,
    ],
    [
      `NOREPLICAS Not … write. script: ${SHA}, on @user_script:1.`,
      "NOREPLICAS",
      false,
    ],
    [
      `ERR user_script:1: boom READONLY x script: ${SHA}, on @user_script:1.`,
      "ERR",
      false,
    ],
    ["ERR the switch is set to READONLY now", "ERR", false],
    ["BUSYKEY Target key name already exists.", "BUSYKEY", false],
    [
      "MYERR READONLY You can't write against a read only replica.",
      "MYERR",
      false,
    ],
    ["", "ERR", false],
    ["lower case", "ERR", false],
  ];
  for (const [message, code, unapplied] of cases) {
    const found = classifyReplyError(message);
    assertEquals([message, found.code, found.unapplied], [
      message,
      code,
      unapplied,
    ]);
    assertEquals(found.rule, REPLY_ERRORS.get(code) ?? UNKNOWN_REPLY_ERROR);
  }
});

Deno.test("classifyReplyError() of a script's command doubts what may follow a write", () => {
  for (const code of ["READONLY", "OOM", "LOADING", "MASTERDOWN", "BUSY"]) {
    assertEquals([code, classifyReplyError(`${code} x`, true).unapplied], [code, true]);
  }
  for (
    const code of ["WRONGTYPE", "MISCONF", "TRYAGAIN", "CLUSTERDOWN", "NOPERM", "ERR"]
  ) {
    assertEquals([code, classifyReplyError(`${code} x`, true).unapplied], [code, false]);
  }
  assertEquals(classifyReplyError(`ERR user_script:1: ${RO}`, true).code, "READONLY");
});

Deno.test("REPLY_ERRORS waits only for what was not applied, and for some time", () => {
  for (const rule of REPLY_ERRORS.values()) {
    const waits = rule.action === "wait";
    assert(!waits || rule.unapplied, rule.code);
    assertEquals([rule.code, rule.waitMs > 0], [rule.code, waits]);
    assert(!rule.unappliedInScript || rule.unapplied, rule.code);
    assert(Object.isFrozen(rule));
    // An answer is no failure of the server; only its refusal of a connection is.
    assertEquals(
      FAILURE_KINDS[rule.kind].counts !== "never",
      rule.code === "MAXCLIENTS",
      rule.code,
    );
  }
  const waiting = [...REPLY_ERRORS.values()].filter(({ action }) => action === "wait");
  assertEquals(waiting.map(({ code }) => code).sort(), [
    "BLOCKED_DEMOTED",
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "READONLY",
    "REDIRECT",
    "TRYAGAIN",
  ]);
});

Deno.test("classifyReplyError() is quick with a text of megabytes", () => {
  const text = `ERR ${"READONLY You can't ".repeat(1_000_000)}, on @user_script:1.`;
  const rounds = Array.from({ length: 5 }, () => {
    const start = performance.now();
    for (let i = 0; i < 100; i++) assertEquals(classifyReplyError(text).code, "ERR");
    return performance.now() - start;
  });
  // The least is what it costs; the rest is what else the machine did.
  assert(Math.min(...rounds) < 200, `${rounds} ms`);
});
