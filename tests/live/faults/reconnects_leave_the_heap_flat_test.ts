import { assert, assertEquals } from "@std/assert";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { heapTrend } from "../../soak/heap_trend.ts";
import { countObjects } from "../../support/heap_snapshot.ts";
import { Random } from "../../support/random.ts";
import { runChild } from "./_child.ts";
import type { Reconnects } from "./_reconnects_child.ts";
import { report } from "./_report.ts";
import { IS_FULL } from "./_stage.ts";

const RECONNECTS = IS_FULL ? 10_000 : 600;
/** After attempts that are cut, each of which waits between its attempts. */
const AFTER_CUTS = 800;
/** Connections before the first is cut: the child needs some to begin. */
const BEFORE_CUTS = 10;
const SEED = 69;
/** Connections until all code has run and is compiled. */
const WARM_UP = IS_FULL ? 2000 : 800;
/** Most that the heap grows by for each of 10,000 reconnects, in bytes. In a short run the
 * code that is still compiled outweighs what is kept: there the objects alone are counted. */
const MOST_BYTES = 200;
/** Most objects of a class that are kept of each reconnect. */
const MOST_KEPT = 0.3;
/** The engine's own arrays and records: code that is compiled late has them too, some 350 of
 * each however long the run is, which a short one cannot tell apart. */
const ENGINES_OWN = /^(?:array |native system \/)/;
/** What the C library took that was opened again after every cut. */
const PLANTED_BYTES = 2400;
/** By when a run is over, on a machine that may be busy, in milliseconds. */
const END_MS = 1_200_000;

interface Growth {
  /** Bytes that the heap grew by for each reconnect. */
  readonly bytes: number;
  /** Classes of objects that grew in number, with how many there are for each reconnect. */
  readonly kept: readonly string[];
}

async function growth(
  options:
    & Pick<Reconnects, "transport" | "port" | "serverPort">
    & { reconnects?: number; leakBytes?: number },
): Promise<Growth> {
  const folder = await Deno.makeTempDir();
  try {
    const { reconnects: wanted = RECONNECTS, ...where } = options;
    const warmUp = Math.min(WARM_UP, wanted / 2);
    const asked: Reconnects = {
      leakBytes: 0,
      ...where,
      warmUp,
      total: warmUp + wanted,
      folder,
    };
    const { code, text } = await runChild("_reconnects_child.ts", [
      JSON.stringify(asked),
    ], {
      permissions: ["-A", "--v8-flags=--expose-gc"],
      endMs: END_MS,
    });
    assertEquals(code, 0, text);
    const { reconnects, heap } = JSON.parse(text.trim().split("\n").at(-1)!) as {
      reconnects: number;
      heap: { n: number; bytes: number }[];
    };
    const first = await countObjects(`${folder}/first.heapsnapshot`);
    const last = await countObjects(`${folder}/last.heapsnapshot`);
    const kept = [...last].map(([name, count]) =>
      [name, (count - (first.get(name) ?? 0)) / reconnects] as const
    ).filter(([name, each]) =>
      each > MOST_KEPT && (wanted === 10_000 || !ENGINES_OWN.test(name))
    )
      .map(([name, each]) => `${each.toFixed(1)} of ${name}`);
    // The line through the looks, by reconnects in place of minutes.
    const looks = heap.map(({ n, bytes }) => ({ minute: n, bytes }));
    return { bytes: heapTrend(looks).kibPerMinute * 1024, kept };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function assertNothingKept({ kept }: Growth): void {
  assertEquals(kept, [], "kept of each reconnect");
}

function assertFlat(grown: Growth): void {
  assertNothingKept(grown);
  const { bytes } = grown;
  if (IS_FULL) assert(bytes <= MOST_BYTES, `it grows by ${bytes.toFixed(0)} B each time`);
}

for (const transport of ["node", "deno"] as const) {
  Deno.test(`${RECONNECTS} reconnects leave the heap flat, over ${transport}`, async () => {
    await using server = await RedisServer.start();
    const { port } = server;
    const grown = await growth({ transport, port, serverPort: port });
    assertFlat(grown);
    await report({
      row: 69,
      fault: `${RECONNECTS} reconnects (${transport})`,
      outcome: `no object kept, heap ${grown.bytes.toFixed(0)} B each`,
    });
  });

  Deno.test({
    name: `${AFTER_CUTS} reconnects after attempts that are cut leave the heap flat, ` +
      `over ${transport}`,
    // They wait between their attempts.
    ignore: !IS_FULL,
    fn: async () => {
      await using server = await RedisServer.start();
      // Half of them are cut within the handshake, which is longer than this; by chance, as
      // an attempt that is cut is followed by connections that find out why.
      const random = new Random(SEED);
      await using relay = await FaultProxy.start({
        to: server,
        faultsOf: (n) => {
          if (n <= BEFORE_CUTS || random.below(2) === 0) return {};
          const how = random.pick(["reset", "end"] as const);
          return { toClient: { kind: "cut", afterBytes: random.below(90), how } };
        },
      });
      const serverPort = server.port;
      const { port } = relay;
      const reconnects = AFTER_CUTS;
      assertNothingKept(await growth({ transport, port, serverPort, reconnects }));
      assert(relay.accepted.length > 1.5 * AFTER_CUTS, "attempts were cut");
    },
  });
}

Deno.test({
  name: "what is kept of each reconnect is found",
  ignore: !IS_FULL,
  fn: async () => {
    await using server = await RedisServer.start();
    const { port } = server;
    const { bytes, kept } = await growth({
      transport: "node",
      port,
      serverPort: port,
      leakBytes: PLANTED_BYTES,
    });
    assert(kept.length > 0, "no object was seen");
    assert(bytes > MOST_BYTES, `only ${bytes.toFixed(0)} bytes were seen`);
  },
});
