import { assertEquals, assertInstanceOf } from "@std/assert";
import { ProtocolError } from "../../../mod.ts";
import { delay, waitFor } from "../../support/clients.ts";
import { report } from "./_report.ts";
import { onStage, Stopwatch } from "./_stage.ts";

const FRAMES = [
  ">1\r\n_\r\n",
  ">1\r\n$-1\r\n",
  ">2\r\n+message\r\n_\r\n",
  "@oops\r\n",
  "\x00\x00\x00",
];

for (const frame of FRAMES) {
  const shown = JSON.stringify(frame);

  Deno.test(`${shown} on an idle connection ends it and nothing else`, () =>
    onStage({}, async ({ relay, manager }) => {
      const client = manager.getClient("main");
      await client.ping();
      await relay.connections[0]!.inject(frame);
      await waitFor(() => manager.getPoolStatistics("main").lanes === 0);
      assertEquals(await client.incr("n"), 1);
      assertEquals(manager.isClosed, false);
    }));

  Deno.test(`${shown} on a busy connection gives ProtocolError`, () =>
    onStage({}, async ({ server, relay, manager }) => {
      const client = manager.getClient("main");
      await client.ping();
      server.pause();
      using watch = new Stopwatch();
      const busy = client.incr("n").then(() => undefined, (error) => error);
      await delay(10);
      await relay.connections[0]!.inject(frame);
      const error = await busy;
      const { ms: noticedMs } = watch.assertWithin({ most: 200 });
      server.resume();
      assertInstanceOf(error, ProtocolError);
      assertEquals(error.delivery, "ambiguous");
      assertEquals(await client.incr("n"), 2);
      if (frame === FRAMES[0]) {
        await report({
          row: 42,
          fault: "frames that crash the parser",
          outcome: "ProtocolError, process lives",
          noticedMs,
        });
      }
    }));
}
