/** `@sesamecare-oss/redlock` 1: tasks that compete for a few locks, and hold them one at a time. */

import { Redlock } from "npm:@sesamecare-oss/redlock@^1.4.0";
import { locks, RETRIES } from "./_locks.ts";
import { runProgram } from "./_program.ts";

await runProgram(({ client, ledger }) => {
  const redlock = new Redlock([client()], RETRIES);
  redlock.on("error", () => {}); // What fails is told by the ledger.
  return locks(redlock, ledger);
});
