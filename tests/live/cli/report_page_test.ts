import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { drawCharts } from "../../../src/cli/tune/report/charts.ts";
import { renderReport } from "../../../src/cli/tune/report/page.ts";
import type { Point, TuneReport } from "../../../src/cli/tune/report_types.ts";
import { Browser } from "../../support/browser.ts";
import { findBrowser } from "../../support/browser_binary.ts";
import type { BrowserPage } from "../../support/browser_page.ts";
import { sampleReport } from "../../support/tune_report.ts";
import * as inPage from "./_in_page.js";
import { assertInPlace, contrast, type ReadChart, readNumber } from "./_report_charts.ts";

const found = await findBrowser();
if ("missing" in found) console.log(`report page: skipped, ${found.missing}`);

const NARROW = { width: 400, height: 900, scheme: "light" } as const;
const WIDE = { width: 1280, height: 900, scheme: "light" } as const;

/** The browser of all tests, each of which has a page. */
let browser: Browser;

/** A page of the browser, with a report in it that was loaded from a file. */
async function withPage(
  report: TuneReport,
  use: (page: BrowserPage, url: string) => Promise<void>,
  ...further: Parameters<typeof renderReport>[1][]
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "mooring-report-" });
  try {
    const file = `${folder}/bench-report.html`;
    await Deno.writeTextFile(file, renderReport(report, ...further));
    const page = await browser.open();
    await page.show(WIDE);
    await page.load(`file://${file}`);
    await use(page, `file://${file}`);
    assertEquals(page.complaints, []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const tests: [name: string, fn: () => Promise<void>][] = [];

function browserTest(name: string, fn: () => Promise<void>): void {
  tests.push([name, fn]);
}

Deno.test({
  name: "the page of a tuning report in a browser",
  ignore: "missing" in found,
  fn: async (t) => {
    if ("missing" in found) return;
    await using started = await Browser.start(found.executable);
    browser = started;
    for (const [name, fn] of tests) {
      // The connection to the browser is open before and afterwards.
      const sanitize = { sanitizeOps: false, sanitizeResources: false };
      await t.step({ name, fn, ...sanitize });
    }
  },
});

const charts = async (page: BrowserPage) =>
  await page.run(inPage.readCharts, null) as ReadChart[];

browserTest(
  "the page loads from a file, asks for nothing else and complains of nothing",
  () =>
    withPage(sampleReport(), async (page, url) => {
      for (const scheme of ["light", "dark"] as const) {
        for (const { width, height } of [NARROW, WIDE]) {
          await page.show({ width, height, scheme });
          await page.load(url);
        }
      }
      assertEquals(page.requests, Array(5).fill(url));
      assertEquals(page.complaints, []);
    }),
);

browserTest(
  "every point and bar stands where its axes' ticks say, narrow and wide",
  () =>
    withPage(sampleReport(), async (page) => {
      for (const [screen, layout] of [[WIDE, "wide"], [NARROW, "narrow"]] as const) {
        await page.show(screen);
        const shown = await charts(page);
        assertEquals(shown.map(({ id }) => id), CHARTS.map(([id]) => id));
        for (const chart of shown) {
          assertEquals(chart.layouts, [layout], chart.id);
          assertInPlace(chart);
        }
      }
    }),
);

browserTest("the charts show what was measured", async () => {
  const report = sampleReport();
  await withPage(report, async (page) => {
    for (const chart of await charts(page)) {
      const lines = chart.series.map(({ name, points }) => ({
        name,
        points: points.map(({ x, y }) => [x, y]),
      }));
      const [, expected] = CHARTS.find(([id]) => id === chart.id) ?? [];
      assert(expected !== undefined, chart.id);
      if (chart.bars.length === 0) assertEquals(lines, expected(report.points), chart.id);
      else {
        const bars = chart.bars.map(({ group, series, value }) => ({
          group,
          series,
          value,
        }));
        const names = (bars: readonly Bar[]) =>
          bars.toSorted((a, b) => nameOf(a) < nameOf(b) ? -1 : 1);
        assertEquals(names(bars), names(expected(report.points) as Bar[]), chart.id);
      }
    }
  });
});

browserTest(
  "the knee of each number of lanes has a rim, and the legend says so",
  async () => {
    const report = sampleReport();
    await withPage(report, async (page) => {
      const [throughput] = await charts(page);
      const marked = throughput?.series.flatMap(({ name, points }) =>
        points.filter(({ hasRim }) => hasRim).map(({ x, y }) => [name, x, y])
      );
      assertEquals(
        marked,
        report.knees.map((knee) => [
          sayLanes(knee.lanes),
          knee.concurrency,
          knee.perSecond,
        ]),
      );
      assert(throughput?.legend.some((item) => item.startsWith("knee")));
      // What is recommended is what the charts mark.
      assert(throughput?.legend.includes("4 lanes (recommended)"));
      const [wait] = (await charts(page)).filter(({ id }) => id === "pool-wait");
      const rims = wait?.series.map(({ points }) =>
        points.filter(({ hasRim }) => hasRim).map(({ x }) => x)
      );
      assertEquals(rims, [[16], [16], [16]]);
    });
  },
);

browserTest(
  "nothing overflows, reaches out or overlaps at any width, or on paper",
  () =>
    withPage(sampleReport(), async (page) => {
      for (const width of [320, 400, 600, 768, 1280, 1920]) {
        await page.show({ width, height: 900, scheme: "light" });
        assertEquals(await page.run(inPage.readOverflow, null), 0, `${width}`);
        assertEquals(await page.run(inPage.readCrowding, null), [], `${width}`);
      }
      await page.show({ width: 720, height: 900, scheme: "dark", media: "print" });
      assertEquals(await page.run(inPage.readOverflow, null), 0);
    }),
);

browserTest(
  "light and dark both can be read, and paper is always light",
  () =>
    withPage(sampleReport(), async (page) => {
      const backgrounds = [];
      for (const scheme of ["light", "dark"] as const) {
        await page.show({ ...WIDE, scheme });
        const colors = await page.run(inPage.readColors, null);
        backgrounds.push(contrast(colors.page, [255, 255, 255]));
        for (const color of colors.onPage) {
          assertGreaterOrEqual(contrast(color, colors.page), 4.5, `${scheme} ${color}`);
        }
        for (const color of colors.onSurface) {
          assertGreaterOrEqual(
            contrast(color, colors.surface),
            4.5,
            `${scheme} ${color}`,
          );
        }
        assertGreaterOrEqual(colors.marks.length, 8);
        for (const color of colors.marks) {
          assertGreaterOrEqual(contrast(color, colors.surface), 3, `${scheme} ${color}`);
        }
      }
      const [light = 21, dark = 1] = backgrounds;
      assert(light < 1.2 && dark > 15, `${backgrounds}`);
      await page.show({ ...WIDE, scheme: "dark", media: "print" });
      assertEquals((await page.run(inPage.readColors, null)).page, [255, 255, 255]);
    }),
);

browserTest(
  "the numbers of each chart stand in a table beneath it, open on paper",
  async () => {
    const report = sampleReport();
    await withPage(report, async (page) => {
      const shown = await charts(page);
      const access = await page.run(inPage.readAccess, null);
      assertEquals(await page.run(inPage.readDoubleIds, null), []);
      assertEquals(access.length, shown.length);
      for (const [index, chart] of access.entries()) {
        assertEquals(chart.drawings.map(({ role, name }) => [role, name]), [
          ["img", chart.heading],
          ["img", chart.heading],
        ]);
        assert(
          chart.drawings.every(({ description }) => description.length > 10),
          chart.id,
        );
        assert(chart.caption.startsWith(chart.heading), chart.id);
        assertEquals(chart.scopes, ["column: col", "row: row"], chart.id);
        assertTable(chart, shown[index]!);
      }
      assert(
        (await page.run(inPage.readTablesShown, null)).every((visible) => !visible),
      );
      await page.show({ ...WIDE, media: "print" });
      assert((await page.run(inPage.readTablesShown, null)).every((visible) => visible));
    });
  },
);

browserTest("the data in the page is the report, whatever its texts hold", async () => {
  const evil =
    '</script><!--<script>document.title="taken"</script><img src=x>&"\'\u2028';
  const sample = sampleReport();
  const report: TuneReport = {
    ...sample,
    startedAt: evil,
    server: { ...sample.server, endpoint: evil, version: evil },
    machine: { ...sample.machine, runtime: evil, os: evil },
    clients: { ...sample.clients, ioredis: evil },
    advice: sample.advice.map((advice) => ({ ...advice, reason: evil })),
  };
  await withPage(report, async (page, url) => {
    assertEquals(
      await page.run(inPage.readData, null),
      JSON.parse(JSON.stringify(report)),
    );
    const { text, scripts, images } = await page.run(inPage.readText, null);
    assertEquals({ scripts, images }, { scripts: 0, images: 0 });
    assertGreaterOrEqual(
      text.split('</script><!--<script>document.title="taken"').length,
      8,
    );
    assertEquals(page.requests, [url]);
  });
});

browserTest(
  "the page keeps the browser from the network, whatever it is handed",
  async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    let connections = 0;
    (async () => {
      for await (const connection of listener) {
        connections++;
        connection.close();
      }
    })().catch(() => {});
    const address = `127.0.0.1:${listener.addr.port}`;
    const html = `<img src="http://${address}/x.png" alt="x">`;
    await withPage(sampleReport(), async (page) => {
      const { images } = await page.run(inPage.readText, null);
      assertEquals(images, 1);
      const said = page.complaints.splice(0).filter((said) => said.includes(address));
      assert(said.some((said) => said.includes("Content Security Policy")));
      assertEquals(connections, 0);
    }, [{ title: "Loud", html }]);
  },
);

browserTest("charts of further sections stand with the others", () =>
  withPage(
    sampleReport(),
    async (page) => {
      const all = await charts(page);
      const chart = all.find(({ id }) => id === "connects");
      assert(chart !== undefined);
      assertEquals(chart.series.map(({ name }) => name), ["<1 ms>"]);
      assertInPlace(chart);
      const { text } = await page.run(inPage.readText, null);
      assert(text.includes("After a restart"));
    },
    [{
      title: "After a restart",
      html: drawCharts([{
        id: "connects",
        title: "Connects",
        description: "Each second.",
        x: { title: "Instances", unit: "", log: 10 },
        y: { title: "Connects", unit: "1/s" },
        series: [{
          name: "<1 ms>",
          points: [{ x: 1, y: 3 }, { x: 300, y: 512 }, { x: 10_000, y: 90 }],
        }],
      }]).toString(),
    }],
  ));

browserTest(
  "a run that measured nothing has a page too",
  () =>
    withPage({ ...sampleReport(), points: [], knees: [], advice: [] }, async (page) => {
      assertEquals(await charts(page), []);
      const { text } = await page.run(inPage.readText, null);
      assert(text.includes("Too little was measured"));
      assert(text.includes("Machine and versions"));
    }),
);

/** Holds a table against the chart above it, as far as three digits go. */
function assertTable(
  { columns, rows }: { columns: string[]; rows: string[][] },
  chart: ReadChart,
): void {
  const cell = (row: string | undefined, column: string) =>
    rows.find(([name]) => name === row)?.[columns.indexOf(column)];
  const near = (text: string | undefined, value: number) =>
    Math.abs(readNumber(text ?? "") - value) <= Math.max(0.005 * value, 0);
  for (const { group, series, value } of chart.bars) {
    assert(near(cell(group, series), value), `${chart.id}: ${group}, ${series}`);
  }
  for (const { name, points } of chart.series) {
    for (const { x, y } of points) {
      const row = rows.find(([name = ""]) => readNumber(name) === x)?.[0];
      assert(near(cell(row, name), y), `${chart.id}: ${name} at ${x}`);
    }
  }
}

type Line = { name: string; points: (number | undefined)[][] };
type Bar = { group: string; series: string; value: number };
const nameOf = ({ group, series }: Bar) => `${group} ${series}`;

/** A line as the report has it. */
function line(
  name: string,
  points: readonly Point[],
  x: (point: Point) => number | undefined,
  y: (point: Point) => number | null | undefined,
): Line {
  return { name, points: points.map((point) => [x(point), y(point) ?? undefined]) };
}

const sayLanes = (lanes: number) => `${lanes} lane${lanes === 1 ? "" : "s"}`;
const callers = ({ concurrency }: Point) => concurrency;
const rate = ({ perSecond }: Point) => perSecond.median;
const p99 = ({ latencyMs }: Point) => latencyMs.p99.median;
const swept = (sweep: Point["sweep"], subject: Point["subject"], lanes?: number) =>
(
  point: Point,
) =>
  point.sweep === sweep && point.subject === subject &&
  (lanes === undefined || point.lanes === lanes);

const byLanes = (y: (point: Point) => number) => (points: readonly Point[]) =>
  [1, 2, 4, 8].map((lanes) =>
    line(sayLanes(lanes), points.filter(swept("lanes", "mooring", lanes)), callers, y)
  );
const sideBySide = (y: (point: Point) => number) => (points: readonly Point[]) => [
  line("mooring, 4 lanes", points.filter(swept("lanes", "mooring", 4)), callers, y),
  line("mooring, 1 lane", points.filter(swept("lanes", "mooring", 1)), callers, y),
  line("ioredis 6.0.0", points.filter(swept("lanes", "ioredis")), callers, y),
  line("node-redis 5.8.2", points.filter(swept("lanes", "node-redis")), callers, y),
];
const percentiles = (
  select: (point: Point) => boolean,
  x: (point: Point) => number | undefined,
  of: (point: Point) => Point["waitMs"] = ({ latencyMs }) => latencyMs,
) =>
(points: readonly Point[]) =>
  (["p50", "p99", "p999"] as const).map((key) =>
    line(
      key === "p999" ? "p99.9" : key,
      points.filter(select),
      x,
      (point) => of(point)?.[key].median,
    )
  );
const bySize = (y: (point: Point) => number) => (points: readonly Point[]) =>
  (["mooring", "ioredis", "node-redis"] as const).map((subject) =>
    line(subject, points.filter(swept("values", subject)), (point) => point.valueBytes, y)
  );
const byMix = (of: (point: Point) => number) => (points: readonly Point[]): Bar[] =>
  (["get-heavy", "write-heavy", "pipeline", "blocking", "lease"] as const).flatMap((
    mix,
  ) =>
    points.filter((point) => point.sweep === "mixes" && point.mix === mix)
      .map((point) => ({ group: mix, series: point.subject, value: of(point) }))
  );

/** Every chart of the sample's page, and what it must show. */
const CHARTS: [id: string, (points: readonly Point[]) => Line[] | Bar[]][] = [
  ["throughput-by-lanes", byLanes(rate)],
  ["latency-percentiles", percentiles(swept("lanes", "mooring", 4), callers)],
  ["latency-by-lanes", byLanes(p99)],
  ["latency-by-rate", percentiles(swept("rate", "mooring"), (point) => point.rate)],
  [
    "rate-side-by-side",
    (points) =>
      (["mooring", "ioredis", "node-redis"] as const).map((subject) =>
        line(subject, points.filter(swept("rate", subject)), (point) => point.rate, p99)
      ),
  ],
  ["comparison-throughput", sideBySide(rate)],
  ["comparison-latency", sideBySide(p99)],
  ["mixes-throughput", byMix(rate)],
  ["mixes-latency", byMix(p99)],
  [
    "pool-wait",
    percentiles(
      swept("leases", "mooring"),
      (point) => point.leases,
      (point) => point.waitMs,
    ),
  ],
  ["pool-throughput", (points) => [
    line("mooring", points.filter(swept("leases", "mooring")), (p) => p.leases, rate),
  ]],
  ["values-throughput", bySize(rate)],
  [
    "values-bytes",
    bySize(({ bytesPerSecond }) => (bytesPerSecond.in + bytesPerSecond.out) / 2 ** 20),
  ],
  ["cpu-by-concurrency", (points) => {
    const shown = points.filter(swept("lanes", "mooring", 4));
    return [
      line("client", shown, callers, ({ clientCpu }) => clientCpu),
      line("server", shown, callers, ({ serverCpu }) => serverCpu),
    ];
  }],
];
