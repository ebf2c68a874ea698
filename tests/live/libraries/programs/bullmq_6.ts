/** BullMQ 6: queue, worker, events, flows, delayed and repeated jobs. */

import { FlowProducer, Queue, QueueEvents, Worker } from "npm:bullmq@^6.7.0";
import { bullmq, QUEUE, RECOVERY, Tasks } from "./_bullmq.ts";
import { runProgram } from "./_program.ts";

await runProgram(({ client, ledger }) => {
  const tasks = new Tasks(ledger);
  const connection = client();
  const queue = new Queue(QUEUE, { connection });
  const flows = new FlowProducer({ connection });
  const worker = new Worker(QUEUE, ({ name, data }) => tasks.run(name, data), {
    connection: client(),
    concurrency: 8,
    ...RECOVERY,
  });
  const events = new QueueEvents(QUEUE, { connection: client() });
  const ignore = () => {}; // What fails is told by the ledger.
  queue.on("error", ignore);
  flows.on("error", ignore);
  worker.on("error", ignore);
  events.on("error", ignore);
  events.on("failed", ({ jobId, failedReason }) => {
    console.log(`job ${jobId}: ${failedReason}`);
  });
  events.on("completed", ({ jobId }) => ledger.done(`completed ${jobId}`));
  return bullmq({ queue, flows, worker, events }, tasks, ledger);
});
