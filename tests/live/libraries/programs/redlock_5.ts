/** `redlock` 5: tasks that compete for a few locks, and hold them one at a time. */

import Redlock from "npm:redlock@5.0.0-beta.2";
import { locks, RETRIES } from "./_locks.ts";
import { runProgram } from "./_program.ts";

await runProgram(({ client, ledger }) => {
  const redlock = new Redlock([client()], RETRIES);
  redlock.on("error", () => {}); // What fails is told by the ledger.
  return locks(redlock, ledger);
});
