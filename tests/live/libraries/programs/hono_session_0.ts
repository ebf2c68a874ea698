/** `@hono/session` 0.2: sessions of Hono, stored by an adapter. */

import { type SessionEnv, useSession, useSessionStorage } from "npm:@hono/session@^0.2.1";
import { Hono } from "npm:hono@^4.13.19";
import { runProgram } from "./_program.ts";

interface Task extends Record<string, unknown> {
  id: string;
}

await runProgram(({ client, ledger }) => {
  const redis = client();
  // The middleware does not wait for its storage, so that errors are the adapter's.
  const writes = new Map<string, Promise<unknown>>();
  const app = new Hono<SessionEnv<Task>>();
  app.use(
    useSessionStorage<Task, SessionEnv<Task>>({
      async get(sid) {
        const text = await redis.get(`session:${sid}`);
        return text === null ? null : JSON.parse(text);
      },
      set(sid, value) {
        const write = redis.set(`session:${sid}`, JSON.stringify(value), "EX", 600);
        writes.set(value.id, write);
        write.catch(() => {});
      },
      delete: (sid) => void redis.del(`session:${sid}`).catch(() => {}),
    }),
    useSession<Task>({ secret: "0123456789abcdef0123456789abcdef" }),
  );
  app.put("/:id", async (c) => {
    await c.var.session.update({ id: c.req.param("id") });
    return c.text("ok");
  });
  app.get("/", async (c) => c.text((await c.var.session.get())?.id ?? ""));
  return {
    async work(id) {
      const put = await app.request(`/${id}`, { method: "PUT" });
      if (!put.ok) throw new Error(await put.text());
      await writes.get(id);
      writes.delete(id);
      const cookie = put.headers.get("set-cookie")!.split(";")[0]!;
      const got = await app.request("/", { headers: { cookie } });
      if (!got.ok) throw new Error(await got.text());
      if (await got.text() === id) ledger.done(id);
    },
    close: () => Promise.resolve(),
  };
});
