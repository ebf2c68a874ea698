// These functions run in the browser: each is sent there as text, so it uses nothing of this
// file but itself.

/** Every chart that is shown: its axes' numbers, points and bars, where they are on the page. */
export function readCharts() {
  // Where what is drawn around 0, 0 stands.
  const placeOf = (element) => {
    const { x, y } = new DOMPoint(0, 0).matrixTransform(element.getScreenCTM());
    return { x, y };
  };
  const readChart = (figure) => {
    const shown = [...figure.querySelectorAll(".canvas svg")]
      .filter((svg) => svg.getBoundingClientRect().width > 0);
    const [svg] = shown;
    const texts = [...svg.querySelectorAll("text")];
    const anchored = (anchor) =>
      texts.filter((text) => text.getAttribute("text-anchor") === anchor);
    const isNumber = ({ textContent }) => /^[\d.,]+( ?[A-Za-z]+)?$/.test(textContent);
    const readTicks = (axis, anchor) =>
      anchored(anchor).filter(isNumber).map((text) => ({
        axis,
        text: text.textContent,
        at: placeOf(text)[axis],
      }));
    const [xTitle] = anchored("middle").filter((text) => !isNumber(text));
    const [yTitle] = anchored("start").filter((text) => !isNumber(text));
    const lines = [
      ...svg.querySelectorAll(
        'path:is([stroke-width="2"],[stroke-width="4"]):not([data-x])',
      ),
    ];
    const readPoint = (point) => {
      const { e, f } = point.transform.baseVal.consolidate().matrix;
      const color = point.getAttribute("fill");
      return {
        x: Number(point.dataset.x),
        y: Number(point.dataset.y),
        at: placeOf(point),
        isOnLine: lines.some((line) =>
          line.getAttribute("stroke") === color &&
          line.isPointInStroke(new DOMPoint(e, f))
        ),
        mark: point.dataset.mark ?? null,
        hasRim: point.getAttribute("stroke") === "var(--text)",
        says: point.querySelector("title").textContent,
      };
    };
    const readBar = (bar) => {
      const { left, right } = bar.getBoundingClientRect();
      const { series, x: group, y } = bar.dataset;
      return { group, series, value: Number(y), left, right };
    };
    const items = [...svg.querySelectorAll("[data-x]")];
    const points = items.filter((item) => item.hasAttribute("transform"));
    const bySeries = Map.groupBy(points, ({ dataset }) => dataset.series);
    return {
      id: figure.id,
      layouts: shown.map(({ classList }) => classList[0]),
      axisTitles: [xTitle.textContent, yTitle?.textContent],
      ticks: [...readTicks("x", "middle"), ...readTicks("y", "end")],
      series: [...bySeries].map(([name, points]) => ({
        name,
        points: points.map(readPoint),
      })),
      bars: items.filter((item) => !item.hasAttribute("transform")).map(readBar),
      legend: [...figure.querySelectorAll(".legend li")].map((item) => item.textContent),
    };
  };
  return [...document.querySelectorAll("figure.chart")].map(readChart);
}

/** Texts of charts that reach out of their drawing or cover another number of their axis. */
export function readCrowding() {
  const problems = [];
  for (const svg of document.querySelectorAll(".canvas svg")) {
    const frame = svg.getBoundingClientRect();
    if (frame.width === 0) continue;
    const name = svg.closest("figure").id;
    for (const text of svg.querySelectorAll("text")) {
      const { left, right, top, bottom } = text.getBoundingClientRect();
      const isOut = left < frame.left - 2 || right > frame.right + 2 ||
        top < frame.top - 2 || bottom > frame.bottom + 2;
      if (isOut) problems.push(`${name}: "${text.textContent}" reaches out`);
    }
    for (const [axis, anchor] of [["x", "middle"], ["y", "end"]]) {
      const boxes = [...svg.querySelectorAll(`text[text-anchor=${anchor}]`)]
        .filter(({ textContent }) => /^[\d.,]+( ?[A-Za-z]+)?$/.test(textContent))
        .map((text) => text.getBoundingClientRect());
      for (const [index, box] of boxes.entries()) {
        const next = boxes[index + 1];
        if (next === undefined) continue;
        const isClear = axis === "x" ? box.right < next.left : box.top >= next.bottom - 4;
        if (!isClear) problems.push(`${name}: numbers of ${axis} overlap`);
      }
    }
  }
  return problems;
}

/** How much wider than its window the page is, in pixels. */
export function readOverflow() {
  const { scrollWidth, clientWidth } = document.documentElement;
  return scrollWidth - clientWidth;
}

/** What a reader of the screen gets: names of drawings, tables beneath them. */
export function readAccess() {
  const textOf = (svg, attribute) =>
    document.getElementById(svg.getAttribute(attribute))?.textContent ?? "";
  return [...document.querySelectorAll("figure.chart")].map((figure) => {
    const table = figure.nextElementSibling?.querySelector("table");
    const head = [...(table?.querySelectorAll("thead th") ?? [])];
    const rows = [...(table?.querySelectorAll("tbody tr") ?? [])];
    return {
      id: figure.id,
      drawings: [...figure.querySelectorAll(".canvas svg")].map((svg) => ({
        role: svg.getAttribute("role"),
        name: textOf(svg, "aria-labelledby"),
        description: textOf(svg, "aria-describedby"),
      })),
      heading: figure.querySelector("figcaption strong").textContent,
      caption: table?.caption?.textContent ?? "",
      columns: head.map(({ textContent }) => textContent),
      rows: rows.map(({ cells }) => [...cells].map(({ textContent }) => textContent)),
      scopes: [
        ...new Set(head.map(({ scope }) => `column: ${scope}`)),
        ...new Set(rows.map(({ cells }) => `row: ${cells[0].scope}`)),
      ],
    };
  });
}

/** Ids that more than one element has. */
export function readDoubleIds() {
  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  return ids.filter((id, index) => ids.indexOf(id) !== index);
}

/** Colours, as 0 to 255 each, that things really have. */
export function readColors() {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgb = (color) => {
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const colorsOf = (selector, property) =>
    [
      ...new Set(
        [...document.querySelectorAll(selector)]
          .filter((element) => element.getBoundingClientRect().width > 0)
          .map((element) => getComputedStyle(element)[property]),
      ),
    ].map(rgb);
  return {
    page: colorsOf("body", "backgroundColor")[0],
    surface: colorsOf("figure.chart", "backgroundColor")[0],
    onPage: [...colorsOf("h1, h2, p", "color"), ...colorsOf("nav a, summary", "color")],
    onSurface: [
      ...colorsOf("figcaption *, .legend li, .cards *, th, td, caption", "color"),
      ...colorsOf(".canvas text", "fill"),
    ],
    marks: [
      ...colorsOf(".canvas [data-x]", "fill"),
      ...colorsOf(
        '.canvas path:is([stroke-width="2"],[stroke-width="4"]):not([data-x])',
        "stroke",
      ),
    ],
  };
}

/** Whether the numbers beneath each chart can be seen. */
export function readTablesShown() {
  return [...document.querySelectorAll("details table")]
    .map((table) => table.checkVisibility({ contentVisibilityAuto: true }));
}

/** The data in the page. */
export function readData() {
  return JSON.parse(document.getElementById("report-data").textContent);
}

/** Text of the page, and how many scripts it has that run. */
export function readText() {
  return {
    text: document.body.innerText,
    scripts:
      [...document.scripts].filter(({ type }) => type !== "application/json").length,
    images: document.images.length,
  };
}
