/** Bull 4: plain, delayed and repeated jobs, and events of all workers. */

import Bull from "npm:bull@^4.16.5";
import { waitFor } from "../../../../src/testing/wait.ts";
import { countLeft, runProgram } from "./_program.ts";

type BullClient = ReturnType<NonNullable<Bull.QueueOptions["createClient"]>>;

await runProgram(async ({ client, ledger }) => {
  // Bull brings ioredis 5, whose class has other protected members than that of 6.
  const make = () => client({ enableReadyCheck: false }) as unknown as BullClient;
  const shared = { client: make(), subscriber: make() };
  const queue = new Bull<{ id: string }>("tasks", {
    // A job whose taker does not know it, as the reply was lost, is given to another: later
    // than an outage, and sooner than the 30 s of the default; several cuts may meet it.
    settings: { lockDuration: 5000, stalledInterval: 1000, maxStalledCount: 5 },
    createClient: (type) => type === "bclient" ? make() : shared[type],
  });
  queue.on("error", () => {}); // What fails is told by the ledger.
  queue.on("failed", ({ id }, { message }) => console.log(`job ${id}: ${message}`));
  let ticks = 0;
  queue.process("tick", () => Promise.resolve(ticks++));
  queue.process("task", 8, ({ data }) => Promise.resolve(ledger.done(data.id)));
  queue.on("global:completed", (id) => ledger.done(`completed ${id}`));
  await queue.isReady();
  await queue.add("tick", { id: "tick" }, { repeat: { every: 250 } });
  return {
    async work(id) {
      await queue.add("task", { id }, Number(id) % 5 === 0 ? { delay: 200 } : {});
    },
    async finish() {
      const before = ticks;
      await waitFor(() => ticks >= before + 2, { what: "repeated jobs" });
      await queue.removeRepeatable("tick", { every: 250 });
    },
    left: async () => countLeft(await queue.getJobCounts()),
    close: () => queue.close(),
  };
});
