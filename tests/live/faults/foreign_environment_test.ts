import { assertEquals } from "@std/assert";
import { RedisConfigLoader, RedisConnectionManager } from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { HEROKU, KUBERNETES, RAILWAY } from "../../unit/config/fixtures/platforms.ts";
import { report } from "./_report.ts";

Deno.test("the environment of a platform adds no database, and all that there are connect", async () => {
  await using server = await RedisServer.start();
  const platforms = { KUBERNETES, HEROKU, RAILWAY };
  for (const [platform, env] of Object.entries(platforms)) {
    const config = await RedisConfigLoader.load({
      yamlText: "",
      env: {
        ...env,
        REDIS_PASSWORD: "",
        REDIS_URL: `redis://127.0.0.1:${server.port}`,
        REDIS_DATABASES: "16",
      },
    });
    await using manager = new RedisConnectionManager(config);
    await manager.initializeAll();
    const states = manager.listDatabases().map(({ name }) => name);
    // An address of another server would not answer: it is in no database.
    assertEquals(
      states,
      Object.keys(RedisConfigLoader.fromOptions({}).databases),
      platform,
    );
    const health = await manager.healthCheck();
    assertEquals([health.healthyDatabases, health.totalDatabases], [18, 18], platform);
  }
  await report({
    row: 66,
    fault: "environments of Kubernetes, Heroku, Railway",
    outcome: "no database of them; the 18 connect",
  });
});
