/**
 * Every way to send a command, with every kind of argument: what is bytes arrives as bytes,
 * what has no meaning is a TypeError, and nothing of its batch is sent.
 */
import { Buffer } from "node:buffer";
import { runInNewContext } from "node:vm";
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import type { RedisClient, RedisConnectionManager } from "../../../mod.ts";
import type { RedisServer } from "../../../src/testing/redis_server.ts";
import { withManager } from "../../support/managed.ts";
import { report } from "./_report.ts";

const BYTES = [0xff, 0x00, 0x68, 0x69, 0x0d, 0x0a, 0x80, 0x00];

function shared(): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(BYTES.length);
  new Uint8Array(buffer).set(BYTES);
  return buffer;
}

/** The same eight bytes in every shape, also as a part of more. */
const AS_BYTES: Record<string, () => unknown> = {
  Buffer: () => Buffer.from(BYTES),
  Uint8Array: () => Uint8Array.from(BYTES),
  "Uint8Array within more": () => Uint8Array.from([1, ...BYTES, 2]).subarray(1, 9),
  Uint8ClampedArray: () => Uint8ClampedArray.from(BYTES),
  Int8Array: () => new Int8Array(Uint8Array.from(BYTES).buffer),
  Uint16Array: () => new Uint16Array(Uint8Array.from(BYTES).buffer),
  Float64Array: () => new Float64Array(Uint8Array.from(BYTES).buffer),
  BigInt64Array: () => new BigInt64Array(Uint8Array.from(BYTES).buffer),
  DataView: () => new DataView(Uint8Array.from([1, ...BYTES]).buffer, 1),
  ArrayBuffer: () => Uint8Array.from(BYTES).buffer,
  SharedArrayBuffer: shared,
  "Uint8Array of shared memory": () => new Uint8Array(shared()),
  "Uint8Array of another realm": () => runInNewContext(`Uint8Array.from([${BYTES}])`),
  "ArrayBuffer of another realm": () =>
    runInNewContext(`Uint8Array.from([${BYTES}]).buffer`),
  "Buffer of another realm": () =>
    Object.setPrototypeOf(
      runInNewContext(`Uint8Array.from([${BYTES}])`),
      runInNewContext("class Buffer extends Uint8Array {}; Buffer.prototype"),
    ),
};

function transferred<T extends Uint8Array | ArrayBuffer>(bytes: T): T {
  const buffer = bytes instanceof ArrayBuffer ? bytes : bytes.buffer as ArrayBuffer;
  structuredClone(buffer, { transfer: [buffer] });
  return bytes;
}

/** What has no meaning as an argument, and what it is called in the error. */
const WITHOUT_MEANING: Record<string, unknown> = {
  undefined: undefined,
  null: null,
  NaN: NaN,
  "an object": {},
  "an array within an array": [["a"]],
  "an object (Date)": new Date(),
  "an object (Map)": new Map([["a", 1]]),
  "an object (Set)": new Set(["a"]),
  "an object (RegExp)": /x/,
  "an object (Promise)": Promise.resolve("a"),
  "an object (String)": new String("a"),
  "a symbol": Symbol("x"),
  "a function": () => {},
  "bytes that were transferred": transferred(Uint8Array.from([1, 2])),
  "bytes that were transferred, or": transferred(new ArrayBuffer(2)),
};

type Any = Record<string, (...args: unknown[]) => unknown>;
type Send = (name: string, args: unknown[]) => Promise<unknown>;

/** Whoever takes a command: each gives its reply, or throws. */
function entrances(
  manager: RedisConnectionManager,
  client: RedisClient,
  lease: RedisClient,
): Record<string, Send> {
  const any = (object: unknown) => object as Any;
  const call = (object: unknown, name: string, args: unknown[]) =>
    any(object)[name]!(...args) as Promise<unknown>;
  /** Gives the last reply of a pipeline or chain whose first command sets `witness`. */
  const last = async (chain: unknown, name: string, args: unknown[]) => {
    call(chain, "set", ["witness", "sent"]);
    call(chain, name, args);
    // Some callers take their time.
    await new Promise((resolve) => setTimeout(resolve));
    const results = await (chain as ReturnType<RedisClient["pipeline"]>).exec();
    const errors = results!.map(([error]) => error).filter((error) => error !== null);
    if (errors.length > 0) assertEquals(errors.length, results!.length);
    const [error, reply] = results!.at(-1)!;
    if (error) throw error;
    return reply;
  };
  const callback = (object: unknown, name: string, args: unknown[]) =>
    new Promise((resolve, reject) => {
      any(object)[name]!(...args, (error: Error | null, reply: unknown) => {
        if (error) reject(error);
        else resolve(reply);
      });
    });
  const both = (which: string, on: RedisClient): Record<string, Send> => ({
    [`${which} method`]: (name, args) => call(on, name, args),
    [`${which} Buffer method`]: (name, args) => call(on, `${name}Buffer`, args),
    [`${which} callback`]: (name, args) => callback(on, name, args),
    [`${which} list`]: (name, args) => call(on, name, [args]),
    [`${which} call`]: (name, args) => call(on, "call", [name.toUpperCase(), ...args]),
    [`${which} callBuffer`]: (name, args) => call(on, "callBuffer", [name, ...args]),
    [`${which} builtin`]: (name, args) =>
      any(on.createBuiltinCommand(name)).string!.apply(on, args) as Promise<unknown>,
    [`${which} pipeline`]: (name, args) => last(on.pipeline(), name, args),
    [`${which} pipeline list`]: (name, args) =>
      last(on.pipeline([["ping"]]), "call", [name, ...args]),
    [`${which} multi`]: (name, args) => last(on.multi(), name, args),
    [`${which} multi list`]: async (name, args) => {
      const list = [["set", "witness", "sent"], [name, ...args]];
      const chain = on.multi(list as unknown[][]);
      const results = await chain.exec();
      return results!.at(-1)![1];
    },
  });
  return {
    ...both("client", client),
    ...both("lease", lease),
    "with()": (name, args) => call(client.with({ timeoutMs: 9000 }), name, args),
    "manager.execute": (name, args) => manager.execute("main", name, ...args as string[]),
    "manager.pipeline": async (name, args) => {
      const replies = await manager.pipeline("main", (pipeline) => {
        pipeline.set("witness", "sent");
        call(pipeline, name, args);
      });
      return replies.at(-1);
    },
    "typed pipeline": async (name, args) => {
      const replies = await manager.pipeline(
        "main",
        (_, typed) => [typed.set("witness", "sent"), call(typed, name, args)],
      );
      return replies.at(-1);
    },
    "manager.transaction": async (name, args) => {
      const replies = await manager.transaction("main", (tx) => {
        tx.set("witness", "sent");
        call(tx, name, args);
      });
      return replies.at(-1);
    },
  };
}

/** Runs a test with every way to send a command. */
function withEntrances(
  options: { keyPrefix?: string },
  test: (all: {
    send: Record<string, Send>;
    client: RedisClient;
    lease: RedisClient;
    server: RedisServer;
    manager: RedisConnectionManager;
  }) => Promise<void>,
): Promise<void> {
  return withManager({ databases: { main: options } }, async ({ manager, server }) => {
    const client = manager.getClient("main");
    await using lease = await manager.acquire("main");
    const leased = lease.client as RedisClient;
    const send = entrances(manager, client, leased);
    await test({ send, client, lease: leased, server, manager });
  });
}

for (const keyPrefix of ["", "p:"]) {
  Deno.test(`bytes are bytes as keys and values, by every way, with prefix "${keyPrefix}"`, () =>
    withEntrances({ keyPrefix }, async ({ send, client }) => {
      const key = Buffer.concat([Buffer.from("k"), Buffer.from(BYTES)]);
      for (const [way, run] of Object.entries(send)) {
        for (const [kind, make] of Object.entries(AS_BYTES)) {
          const at = `${kind} by ${way}`;
          await client.flushdb();
          assertEquals(String(await run("set", [key, make()])), "OK", at);
          assertEquals(await client.getBuffer(key), Buffer.from(BYTES), at);
          await client.flushdb();
          await run("set", [make(), "v"]);
          assertEquals(await client.get(Buffer.from(BYTES)), "v", at);
        }
      }
    }));
}

Deno.test("an argument without meaning is a TypeError by every way, and nothing of its batch is sent", () =>
  withEntrances({}, async ({ send, client, server }) => {
    let refused = 0;
    for (const [way, run] of Object.entries(send)) {
      for (const [found, value] of Object.entries(WITHOUT_MEANING)) {
        // As the last argument it is a callback; in a list a list is flattened once.
        const isLast = typeof value !== "function";
        const isList = Array.isArray(value) && way.endsWith(" list");
        const given = isList ? [value] : value;
        for (const [at, args] of [[1, [given, "v"]], [2, ["k", given]]] as const) {
          if (at === 2 && !isLast) continue;
          const where = `${found} as argument ${at} by ${way}`;
          const error = await Promise.resolve(run("set", [...args])).then(
            (reply) => new Error(`got ${reply}`),
            (error) => error as Error,
          ).catch((error) => error as Error);
          assertInstanceOf(error, TypeError, `${where}: ${error.message}`);
          assert(
            error.message.startsWith(`Cannot write SET: argument ${at} is ${found}`),
            `${where}: ${error.message}`,
          );
          refused++;
        }
      }
    }
    assertEquals(await client.dbsize(), 0);
    const commands = String(await server.cli("INFO", "commandstats"));
    assert(!commands.includes("cmdstat_set:"), commands);
    await report({
      row: 55,
      fault: "arguments without meaning",
      outcome: `${refused} refused, none sent; bytes are bytes`,
    });
  }));

Deno.test("objects and Maps are pairs where ioredis documents it, with the same rules for values", () =>
  withEntrances({}, async ({ send, client, server }) => {
    const bytes = Uint8Array.from(BYTES);
    for (const [way, run] of Object.entries(send)) {
      if (/call|execute|list/i.test(way)) continue;
      await client.flushdb();
      await run("hset", ["h", { a: 1, b: bytes, "__proto__x": 2n }]);
      await run("hset", ["h", new Map<unknown, unknown>([[bytes, bytes], ["m", 3]])]);
      assertEquals(await client.hgetBuffer("h", "b"), Buffer.from(BYTES), way);
      assertEquals(await client.hgetBuffer("h", Buffer.from(BYTES)), Buffer.from(BYTES));
      assertEquals(await client.hmget("h", "a", "__proto__x", "m"), ["1", "2", "3"], way);
      class Point {
        x = 1;
      }
      await run("mset", [new Point()]);
      assertEquals(await client.get("x"), "1");
      await client.flushdb();
      await server.cli("CONFIG", "RESETSTAT");
      for (
        const [name, args] of [
          ["hset", ["h", { a: "ok", b: undefined }]],
          ["hset", ["h", { a: "ok", b: ["x"] }]],
          ["hset", ["h", new Map([["a", null]])]],
          ["hset", ["h", bytes]],
          ["hset", ["h", Buffer.from("x")]],
          ["hset", ["h", new Date()]],
          ["mset", [new Set(["a"])]],
          ["mset", [{ a: {} }]],
        ] as [string, unknown[]][]
      ) {
        const error = await Promise.resolve(run(name, args)).then(
          () => undefined,
          (error) => error,
        );
        assertInstanceOf(error, TypeError, `${way} ${name} ${Deno.inspect(args)}`);
      }
      assertEquals(await client.dbsize(), 0, way);
    }
  }));

Deno.test("scripts, EVAL, blocking commands and WATCH take the same arguments", () =>
  withEntrances({}, async ({ client, lease, manager }) => {
    const lua = "return redis.call('set', KEYS[1], ARGV[1])";
    for (const on of [client, lease]) {
      on.defineCommand("put", { lua, numberOfKeys: 1 });
      const put = (on as unknown as Any).put!.bind(on);
      for (const [kind, make] of Object.entries(AS_BYTES)) {
        await put(make(), make());
        assertEquals(
          await client.getBuffer(Buffer.from(BYTES)),
          Buffer.from(BYTES),
          kind,
        );
        await client.flushdb();
        await on.eval(lua, 1, Buffer.from("k"), make() as Buffer);
        assertEquals(await client.getBuffer("k"), Buffer.from(BYTES), kind);
        const chain = on.pipeline() as unknown as Any;
        await (chain.put!("k", make()) as ReturnType<RedisClient["pipeline"]>).exec();
        assertEquals(await client.getBuffer("k"), Buffer.from(BYTES), kind);
        await client.flushdb();
        await on.lpush("l", make() as Buffer);
        assertEquals((await on.blpopBuffer("l", 1))![1], Buffer.from(BYTES), kind);
      }
      for (const [found, value] of Object.entries(WITHOUT_MEANING)) {
        if (typeof value === "function") continue;
        const bad = value as string;
        const chain = on.pipeline().set("witness", "sent") as unknown as Any;
        const results = await (chain.put!("k", [bad]) as ReturnType<typeof on.pipeline>)
          .exec();
        assertInstanceOf(results![1]![0], TypeError, found);
        for (
          const run of [
            () => put("k", [bad]),
            () => on.eval(lua, 1, "k", [bad] as never),
            () => on.blpop([bad] as never, 1),
            () => manager.transaction("main", () => {}, { watch: [bad] }),
          ]
        ) {
          // A list is flattened once: what was in it is left.
          const isNested = Array.isArray(value);
          const error = await Promise.resolve(run()).then(
            () => undefined,
            (error: Error) => error,
          );
          if (isNested && run.toString().includes("watch")) continue;
          assertInstanceOf(error, TypeError, `${found}: ${run}`);
        }
      }
      assertEquals(await client.dbsize(), 0);
    }
  }));

Deno.test("the name of a command is a string", () =>
  withEntrances({}, async ({ client, manager, lease }) => {
    for (const name of [undefined, null, 5, {}, ["set", "a", "b"], Symbol("x")]) {
      for (
        const run of [
          () => (client as unknown as Any).call!(name, "k"),
          () => (lease as unknown as Any).callBuffer!(name, "k"),
          () => manager.execute("main", name as string),
        ]
      ) {
        const error = await Promise.resolve(run()).then(() => undefined, (e) => e);
        assertInstanceOf(error, TypeError, `${String(name)} ${error}`);
      }
    }
    assertEquals(await client.dbsize(), 0);
  }));
