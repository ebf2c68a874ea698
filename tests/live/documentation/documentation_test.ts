/** What `deno doc` says of each entrypoint: nothing is exported without a word. */
import { assertEquals, assertGreater } from "@std/assert";
import { runDeno } from "../config/run_child.ts";

interface Documented {
  readonly name?: string;
  readonly jsDoc?: { readonly doc?: string; readonly tags?: readonly { kind: string }[] };
}

interface Declaration extends Documented {
  readonly kind: string;
  readonly def: {
    readonly properties?: readonly Documented[];
    readonly methods?: readonly Documented[];
    readonly members?: readonly Documented[];
  };
}

interface DocumentedSymbol {
  readonly name: string;
  readonly declarations: readonly Declaration[];
}

async function symbolsOf(entrypoint: string): Promise<DocumentedSymbol[]> {
  const { stdout } = await runDeno(["doc", "--json", entrypoint]);
  const [module] = Object.values(JSON.parse(stdout).nodes);
  return (module as { symbols: DocumentedSymbol[] }).symbols;
}

function hasWords({ jsDoc }: Documented): boolean {
  return (jsDoc?.doc ?? "").trim() !== "";
}

function hasExample({ jsDoc }: Documented): boolean {
  return jsDoc?.tags?.some(({ kind }) => kind === "example") ?? false;
}

/** What is wrong with the documentation of one symbol. */
function findGaps({ declarations, name }: DocumentedSymbol): string[] {
  const gaps: string[] = [];
  if (!declarations.some(hasWords)) gaps.push(`${name} has no documentation`);
  for (const { def, kind } of declarations) {
    if ((kind === "class" || kind === "function") && !declarations.some(hasExample)) {
      gaps.push(`the ${kind} ${name} has no example`);
    }
    if (kind !== "interface" && kind !== "class") continue;
    const { members = [], methods = [], properties = [] } = def;
    const all = [...properties, ...methods, ...members];
    // What implements overloads needs no words beside theirs.
    const described = new Set(all.filter(hasWords).map((member) => member.name));
    for (const member of all) {
      if (!described.has(member.name)) {
        gaps.push(`${name}.${member.name} has no documentation`);
      }
    }
  }
  return gaps;
}

const { exports } = JSON.parse(await Deno.readTextFile("deno.json"));

for (const [name, entrypoint] of Object.entries<string>(exports)) {
  Deno.test({
    name: `each symbol of "${name}" is documented, with an example if it can be called`,
    async fn() {
      const symbols = await symbolsOf(entrypoint);
      assertGreater(symbols.length, 0);
      assertEquals([...new Set(symbols.flatMap(findGaps))], []);
    },
  });
}

// What one refers to may be exported by another: settings by "./config", for instance.
Deno.test("deno doc --lint finds nothing in the entrypoints", async () => {
  await runDeno(["doc", "--lint", ...Object.values<string>(exports)]);
});

Deno.test("findGaps() notices what is missing", () => {
  const declaration = (kind: string, jsDoc?: object, def = {}) => ({ kind, jsDoc, def });
  const example = { doc: "x", tags: [{ kind: "example" }] };
  const of = (...declarations: object[]) =>
    findGaps({ name: "It", declarations: declarations as Declaration[] });
  assertEquals(of(declaration("function", example)), []);
  assertEquals(of(declaration("function", { doc: "x" })), [
    "the function It has no example",
  ]);
  assertEquals(of(declaration("class", example, { methods: [{ name: "m" }] })), [
    "It.m has no documentation",
  ]);
  assertEquals(of(declaration("typeAlias")), ["It has no documentation"]);
  assertEquals(
    of(declaration("interface", { doc: "x" }, { properties: [{ name: "p" }] })),
    ["It.p has no documentation"],
  );
});
