/** What the programs for BullMQ 5 and 6 have in common. */

import { waitFor } from "../../../../src/testing/wait.ts";
import { countLeft, type Library, type Stage } from "./_program.ts";

/** Name of the queue. */
export const QUEUE = "tasks";

/**
 * When a job that was taken and whose taker does not know it, as the reply was lost, is given
 * to another: later than an outage, and sooner than the 30 s of the default, which the test
 * would wait for. Several cuts may meet the same job, which is not to fail for that.
 */
export const RECOVERY = { lockDuration: 5000, stalledInterval: 1000, maxStalledCount: 5 };

interface Task {
  readonly id: string;
}

interface Job {
  id?: string | undefined;
}

interface Flow {
  readonly name: string;
  readonly queueName: string;
  readonly data: Task;
  readonly children?: Flow[];
}

interface FlowJob {
  readonly job: Job;
  readonly children?: FlowJob[];
}

interface Closable {
  close(): Promise<void>;
}

/** A queue and its surroundings, in the words of both versions. */
export interface BullMQ {
  readonly queue: Closable & {
    add(name: string, data: Task, options?: { delay: number }): Promise<Job>;
    upsertJobScheduler(id: string, repeat: { every: number }): Promise<unknown>;
    removeJobScheduler(id: string): Promise<boolean>;
    getJobCounts(): Promise<{ [state: string]: number }>;
  };
  readonly flows: Closable & { add(flow: Flow): Promise<FlowJob> };
  readonly worker: Closable & { waitUntilReady(): Promise<unknown> };
  readonly events: Closable & { waitUntilReady(): Promise<unknown> };
}

/** What the worker does; counts the repeated jobs. */
export class Tasks {
  /** How often the repeated job has run. */
  ticks = 0;
  readonly #ledger: Stage["ledger"];

  constructor(ledger: Stage["ledger"]) {
    this.#ledger = ledger;
  }

  /** Does a job. */
  run(name: string, data: Task): Promise<void> {
    if (name === "tick") this.ticks++;
    else this.#ledger.done(data.id);
    return Promise.resolve();
  }
}

/** Works with jobs of every kind: each must run, and each must be told to be completed. */
export async function bullmq(
  { queue, flows, worker, events }: BullMQ,
  tasks: Tasks,
  ledger: Stage["ledger"],
): Promise<Library> {
  await Promise.all([worker.waitUntilReady(), events.waitUntilReady()]);
  await queue.upsertJobScheduler("tick", { every: 250 });

  const expect = ({ job, children = [] }: FlowJob) => {
    ledger.accept(`completed ${job.id}`);
    children.forEach(expect);
  };
  const flowOf = (id: string): Flow => {
    const task = (id: string) => ({ name: "task", queueName: QUEUE, data: { id } });
    return { ...task(id), children: [task(`${id} child 1`), task(`${id} child 2`)] };
  };
  return {
    async work(id) {
      const kind = Number(id) % 5;
      if (kind === 0) expect({ job: await queue.add("task", { id }, { delay: 200 }) });
      else if (kind === 1) expect(await flows.add(flowOf(id)));
      else expect({ job: await queue.add("task", { id }) });
    },
    async finish() {
      const before = tasks.ticks;
      await waitFor(() => tasks.ticks >= before + 2, { what: "repeated jobs" });
      await queue.removeJobScheduler("tick");
    },
    left: async () => countLeft(await queue.getJobCounts()),
    close: () => Promise.all([worker, events, flows, queue].map((each) => each.close())),
  };
}
