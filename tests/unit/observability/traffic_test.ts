import { assertEquals } from "@std/assert";
import { Traffic } from "../../../src/observability/traffic.ts";

Deno.test("Traffic adds up connections that are open and those that are gone, each once", () => {
  const traffic = new Traffic();
  const read = () => [traffic.bytesSent, traffic.bytesReceived];
  const first = { bytesSent: 10, bytesReceived: 100 };
  const second = { bytesSent: 1, bytesReceived: 2 };
  traffic.opened(first);
  traffic.opened(second);
  assertEquals(read(), [11, 102]);
  first.bytesSent += 5;
  assertEquals(read(), [16, 102]);
  traffic.ended(first);
  traffic.ended(first);
  assertEquals(read(), [16, 102]);
  first.bytesSent += 1000;
  second.bytesReceived += 8;
  assertEquals(read(), [16, 110]);
});
