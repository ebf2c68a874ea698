import { testLibraries } from "./_run.ts";

await testLibraries("queues");
