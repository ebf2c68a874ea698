/** `@socket.io/redis-adapter` 8: two servers, and a client of each. */

import { createAdapter } from "npm:@socket.io/redis-adapter@^8.3.0";
import { runProgram } from "./_program.ts";
import { socketIO } from "./_socket_io.ts";

await runProgram(async ({ client, ledger }) => {
  const makeAdapter = () => createAdapter(client(), client());
  return { ...await socketIO(makeAdapter, ledger), lossy: true };
});
