/**
 * What it costs to collect a tick's commands into few writes, beside one write for each
 * command, into a sink that costs nothing: what is saved are system calls, which only the
 * suites on a server can show. One iteration is one tick.
 * Run: `deno bench bench/coalescer_bench.ts`.
 */
import { WriteCoalescer } from "../src/transport/coalescer.ts";

const SMALL = "*2\r\n$3\r\nGET\r\n$17\r\nmooring:bench:100\r\n";
const BUFFER = new TextEncoder().encode(SMALL);

for (const commands of [1, 16, 64, 512]) {
  const group = `${commands} commands a tick`;
  let bytes = 0;
  const write = (data: string | Uint8Array) => void (bytes += data.length);

  Deno.bench({
    name: "one write for each",
    group,
    baseline: true,
    fn() {
      for (let i = 0; i < commands; i++) write(SMALL);
    },
  });

  for (const [name, data] of [["text", SMALL], ["Buffers", BUFFER]] as const) {
    let end = () => {};
    const coalescer = new WriteCoalescer({ write }, (fn) => end = fn);
    Deno.bench({
      name: `collected, ${name}`,
      group,
      fn() {
        const before = bytes;
        for (let i = 0; i < commands; i++) coalescer.write(data);
        end();
        if (bytes - before !== commands * SMALL.length) throw new Error("lost some");
      },
    });
  }
}
