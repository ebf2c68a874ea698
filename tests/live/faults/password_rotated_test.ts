import { assertEquals } from "@std/assert";
import { report } from "./_report.ts";
import { onStage, timed } from "./_stage.ts";

Deno.test("the provider of the password is asked again for each new connection", () => {
  let password = "first-one";
  let asked = 0;
  const provider = () => {
    asked++;
    return password;
  };
  return onStage(
    { manager: { password: provider }, server: { password } },
    async ({ server, manager }) => {
      const client = manager.getClient("main");
      assertEquals(await client.incr("n"), 1);
      assertEquals(asked, 1);
      password = "second-one";
      await server.cli("CONFIG", "SET", "requirepass", password);
      await server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
      const { ms, value } = await timed(client.get("n"));
      assertEquals(value, "1");
      assertEquals(asked, 2);
      assertEquals(await client.incr("n"), 2);
      await report({
        row: 16,
        fault: "password rotated",
        outcome: "provider asked again, read served",
        recoveredMs: ms,
      });
    },
  );
});
