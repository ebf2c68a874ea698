/** `@socket.io/redis-streams-adapter` 0.3: two servers, and a client of each. */

import { createAdapter } from "npm:@socket.io/redis-streams-adapter@^0.3.1";
import { runProgram } from "./_program.ts";
import { socketIO } from "./_socket_io.ts";

await runProgram(({ client, ledger }) => socketIO(() => createAdapter(client()), ledger));
