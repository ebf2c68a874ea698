/**
 * Runs std's own tests, from a checkout of denoland/std, against the stand-ins.
 *
 * The tests are copied to a temporary folder. Where they import a file of their package,
 * they find one that hands on the stand-in's export of that name. Packages that only the
 * tests need (`@std/testing` and the like) are linked from the checkout.
 *
 * @module
 */

import { type Counts, formatCounts } from "./counts.ts";
import { findPackages, type Package, readPackage, relativePath } from "./packages.ts";
import { STAND_INS } from "./root_config.ts";
import { runAndCount } from "./run_command.ts";

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** Copies the tests of one package's exports; returns how many files there were. */
async function copyTests(
  standIn: Package,
  std: Package,
  target: string,
): Promise<number> {
  await Deno.mkdir(target, { recursive: true });
  let files = 0;
  for (const subpath of Object.keys(standIn.exports)) {
    const file = std.exports[subpath];
    if (file === undefined) {
      throw new Error(`${std.name} has no export "${subpath}", but its stand-in has one`);
    }
    const specifier = subpath.replace(/^\./, standIn.name);
    await Deno.writeTextFile(`${target}/${file}`, `export * from "${specifier}";\n`);
    const test = file.replace(/\.ts$/, "_test.ts");
    if (!await exists(`${std.folder}/${test}`)) continue;
    await Deno.copyFile(`${std.folder}/${test}`, `${target}/${test}`);
    files++;
  }
  return files;
}

/** The configuration of the temporary folder: std's compiler options, our stand-ins. */
async function writeConfig(
  folder: string,
  checkout: string,
  standIns: Package[],
  others: Package[],
): Promise<void> {
  const { compilerOptions } = JSON.parse(
    await Deno.readTextFile(`${checkout}/deno.json`),
  );
  const linked = [...standIns, ...others];
  const config = {
    compilerOptions,
    imports: Object.fromEntries(
      linked.map(({ name, version }) => [name, `jsr:${name}@^${version}`]),
    ),
    links: linked.map((link) => relativePath(folder, link.folder)),
  };
  await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify(config, null, 2));
}

async function run(checkout: string): Promise<Counts> {
  const std = await findPackages(checkout);
  const standIns = await Promise.all(STAND_INS.map(readPackage));
  const replaced = new Set(standIns.map(({ name }) => name));
  const others = std.filter(({ name }) => !replaced.has(name));
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "conformance-" }));
  try {
    await writeConfig(folder, checkout, standIns, others);
    const total = { passed: 0, failed: 0 };
    for (const standIn of standIns) {
      const real = std.find(({ name }) => name === standIn.name);
      if (!real) throw new Error(`${checkout} has no package ${standIn.name}`);
      const name = standIn.name.replace("@std/", "");
      const files = await copyTests(standIn, real, `${folder}/${name}`);
      console.log(`\n${standIn.name}: ${files} test files of std ${real.version}`);
      const { counts } = await runAndCount({
        args: ["test", "-A", "--no-lock", name],
        cwd: folder,
      });
      console.log(`${standIn.name}: ${formatCounts(counts)}`);
      total.passed += counts.passed;
      total.failed += counts.failed;
    }
    return total;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) {
  const [checkout] = Deno.args;
  if (checkout === undefined) {
    console.error("Usage: deno task conformance <checkout of denoland/std>");
    Deno.exit(2);
  }
  const total = await run(await Deno.realPath(checkout));
  console.log(`\n${formatCounts(total)}`);
  Deno.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);
}
