/** So many cases of row 28, from a seed, in a process of their own. */
import { answerWithGarbage } from "./_garbage.ts";

const [cases, seed] = Deno.args.map(Number);
console.log(JSON.stringify(await answerWithGarbage(cases!, seed!)));
