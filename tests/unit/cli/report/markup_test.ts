import { assertEquals, assertMatch } from "@std/assert";
import { element, jsonForScript, text } from "../../../../src/cli/tune/report/markup.ts";

const EVIL = `</script><!--<script>"it's" & 'more'`;

Deno.test("text() leaves nothing that could be markup", () => {
  assertEquals(
    text(EVIL),
    "&lt;/script&gt;&lt;!--&lt;script&gt;&quot;it&#39;s&quot; &amp; &#39;more&#39;",
  );
  assertEquals(text(1.5), "1.5");
});

Deno.test("element() escapes attributes, and leaves out what is not there", () => {
  assertEquals(
    element("g", { id: EVIL, hidden: true, open: false, class: undefined }, text("<")),
    `<g id="${text(EVIL)}" hidden>&lt;</g>`,
  );
  assertEquals(element("meta", { charset: "utf-8" }), '<meta charset="utf-8">');
  assertEquals(
    element("line", { x1: 1 / 3, x2: 64 }),
    '<line x1="0.3333333" x2="64"></line>',
  );
});

Deno.test("jsonForScript() ends no element, begins no comment, and reads as it was", () => {
  const value = { [EVIL]: [EVIL, "\u2028\u2029", 1, null, { deep: "<" }] };
  const written = jsonForScript(value);
  assertMatch(written, /^[^<]+$/);
  assertEquals(JSON.parse(written), value);
});
