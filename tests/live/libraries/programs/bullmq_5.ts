/** BullMQ 5: queue, worker, events, flows, delayed and repeated jobs. */

import {
  type ConnectionOptions,
  FlowProducer,
  Queue,
  QueueEvents,
  Worker,
} from "npm:bullmq@^5.81.5";
import { bullmq, QUEUE, RECOVERY, Tasks } from "./_bullmq.ts";
import { runProgram } from "./_program.ts";

await runProgram(({ client, ledger }) => {
  // BullMQ 5 brings ioredis 5, whose class has other protected members than that of 6.
  const connect = () => client() as unknown as ConnectionOptions;
  const tasks = new Tasks(ledger);
  const connection = connect();
  const queue = new Queue(QUEUE, { connection });
  const flows = new FlowProducer({ connection });
  const worker = new Worker(QUEUE, ({ name, data }) => tasks.run(name, data), {
    connection: connect(),
    concurrency: 8,
    ...RECOVERY,
  });
  const events = new QueueEvents(QUEUE, { connection: connect() });
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
