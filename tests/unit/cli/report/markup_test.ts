import { assertEquals, assertMatch } from "@std/assert";
import { jsonForScript, Markup, markup } from "../../../../src/cli/tune/report/markup.ts";

const EVIL = `</script><!--<script>"it's" & 'more'`;
const ESCAPED = "&lt;/script&gt;&lt;!--&lt;script&gt;&quot;it&#39;s&quot; &amp; " +
  "&#39;more&#39;";

Deno.test("markup`` leaves nothing of a value that could be markup", () => {
  assertEquals(
    markup`<g id="${EVIL}">${EVIL}${1.5}</g>`.toString(),
    `<g id="${ESCAPED}">${ESCAPED}1.5</g>`,
  );
});

Deno.test("markup`` leaves markup as it is, and writes lists one after the other", () => {
  const items = ["<a>", "b"].map((name) => markup`<li>${name}</li>`);
  assertEquals(
    markup`<ul>${items}${new Markup("<br>")}${["<", [">"]]}</ul>`.toString(),
    "<ul><li>&lt;a&gt;</li><li>b</li><br>&lt;&gt;</ul>",
  );
  assertEquals(
    [markup``, markup`${[]}`, markup`a`].map(({ isEmpty }) => isEmpty),
    [true, true, false],
  );
});

Deno.test("jsonForScript() ends no element, begins no comment, and reads as it was", () => {
  const value = { [EVIL]: [EVIL, "\u2028\u2029", 1, null, { deep: "<" }] };
  const written = jsonForScript(value).toString();
  assertMatch(written, /^[^<]+$/);
  assertEquals(JSON.parse(written), value);
});
