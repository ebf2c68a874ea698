/** TCP keepalive by permissions and runtime, in processes of their own. */
import { assert, assertEquals } from "@std/assert";
import type { KernelKeepalive } from "../../../src/core/address.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { nodeNetSetsKeepalive } from "../../../src/transport/keepalive.ts";
import { keepaliveSecondsLeft } from "../../support/keepalive_timer.ts";
import type { SocketOptions } from "./socket_options.ts";

interface Said {
  tier: string;
  localPort: number;
  told: KernelKeepalive | null;
  kernel?: SocketOptions;
}

/** Runs the child with exactly these permissions; gives its word and the kernel's, which
 * is asked while the child still has the socket. */
async function runChild(
  kind: "node" | "deno",
  permissions: readonly string[],
): Promise<Said & { secondsLeft: number | undefined }> {
  await using server = await RedisServer.start();
  const path = new URL("./keepalive_child.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...[
        "run",
        "--no-config",
        "--no-lock",
        "--no-prompt",
        "--allow-net",
        ...permissions,
      ],
      ...[path, kind, String(server.port)],
    ],
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "" } = await reader.read();
  const said: Said = JSON.parse(value);
  const secondsLeft = await keepaliveSecondsLeft(said.localPort);
  await child.stdin.close();
  await reader.cancel();
  assertEquals((await child.status).success, true);
  return { ...said, secondsLeft };
}

/** 600 s of idle time, counted down since the connection was opened. */
function assertCounted(secondsLeft: number | undefined): void {
  const isCounted = secondsLeft !== undefined && secondsLeft > 540 && secondsLeft <= 601;
  assert(isCounted, `${secondsLeft} s`);
}

const IS_LINUX = Deno.build.os === "linux";
const NODE_NET_WORKS = nodeNetSetsKeepalive(Deno.version.deno);

for (const kind of ["node", "deno"] as const) {
  Deno.test({
    name: `${kind} channel gets idle 600, interval 60, count 5 with --allow-ffi`,
    ignore: !IS_LINUX,
    async fn() {
      const { tier, told, kernel, secondsLeft } = await runChild(kind, ["--allow-ffi"]);
      assertEquals(tier, "full");
      assertEquals(told, {
        isOn: true,
        idleSeconds: 600,
        intervalSeconds: 60,
        count: 5,
      });
      assertEquals(kernel, {
        keepalive: true,
        idle: 600,
        interval: 60,
        count: 5,
        noDelay: true,
      });
      assertCounted(secondsLeft);
    },
  });
}

Deno.test({
  name: "node channel gets the idle time without --allow-ffi where node:net sets it",
  ignore: !IS_LINUX || !NODE_NET_WORKS,
  async fn() {
    const { tier, told, secondsLeft } = await runChild("node", []);
    assertEquals([tier, told], ["idle", null]);
    assertCounted(secondsLeft);
  },
});

Deno.test({
  name: "node channel reports that it has no keepalive where node:net sets none",
  ignore: !IS_LINUX || NODE_NET_WORKS,
  async fn() {
    const { tier, secondsLeft } = await runChild("node", []);
    assertEquals([tier, secondsLeft], ["heartbeat", undefined]);
  },
});

Deno.test({
  name: "deno channel sets SO_KEEPALIVE without --allow-ffi, with the kernel's times",
  ignore: !IS_LINUX,
  async fn() {
    const { tier, told, secondsLeft } = await runChild("deno", []);
    assertEquals([tier, told], ["on", null]);
    assert(secondsLeft !== undefined, "no timer runs");
  },
});

Deno.test("nodeNetSetsKeepalive() is true from Deno 2.8.3 on", () => {
  const versions = ["2.7.14", "2.8.2", "2.8.3", "2.9.0", "2.9.6+abc", "3.0.0"];
  const found = versions.map(nodeNetSetsKeepalive);
  assertEquals(found, [false, false, true, true, true, true]);
});
