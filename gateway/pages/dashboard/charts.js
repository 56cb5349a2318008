/* global uPlot */
/** Charts: what the live view has shown in the last ten minutes, drawn with uPlot. */

const KEPT = 600; // updates, one per second

const CHARTS = [
  {
    title: "Jobs", unit: "", series: [
      ["waiting", "--warn", ({ stats }) => stats.waiting?.jobs],
      ["at nodes", "--main", ({ stats }) => stats.jobs && stats.jobs.assigned + stats.jobs.running],
    ],
  },
  {
    title: "Result after the end of speech", unit: "s", series: [
      ["median", "--good", ({ stats }) => seconds(stats.latency_ms?.result_after_speech?.p50)],
      ["9 of 10", "--main", ({ stats }) => seconds(stats.latency_ms?.result_after_speech?.p90)],
    ],
  },
  {
    title: "Longest wait for a node", unit: "s", series: [
      ["wait", "--bad", ({ stats }) => seconds(stats.waiting?.oldest_wait_ms)],
    ],
  },
  {
    title: "Sessions and slots", unit: "", series: [
      ["sessions", "--main", ({ cluster }) => cluster.total_sessions],
      ["slots in use", "--good", ({ cluster }) => sum(cluster.nodes, (node) => node.slots.used)],
      ["slots", "--soft", ({ cluster }) => sum(cluster.nodes, (node) => node.slots.max)],
    ],
  },
];

export class Charts {
  #place;
  #times = [];
  #charts = [];

  constructor(place) {
    this.#place = place;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
    this.#charts = CHARTS.map((chart) => ({ ...chart, values: chart.series.map(() => []), plot: null }));
    this.#draw();
    new ResizeObserver(() => this.#resize()).observe(place);
  }

  add(update) {
    this.#times.push(update.at_ms / 1000);
    if (this.#times.length > KEPT) this.#times.shift();
    for (const chart of this.#charts) {
      chart.series.forEach(([, , value], index) => {
        chart.values[index].push(value(update) ?? null);
        if (chart.values[index].length > KEPT) chart.values[index].shift();
      });
      chart.plot.setData([this.#times, ...chart.values]);
      const now = chart.series.map(([name], index) => `${name} ${chart.values[index].at(-1) ?? "unknown"}${chart.unit}`);
      chart.box.setAttribute("aria-label", `${chart.title}, now: ${now.join(", ")}`);
    }
  }

  #draw() {
    const boxes = this.#charts.map((chart) => {
      chart.plot?.destroy();
      const box = document.createElement("div");
      box.className = "chart";
      box.setAttribute("role", "img");
      box.setAttribute("aria-label", chart.title);
      const title = document.createElement("h3");
      title.textContent = chart.title;
      box.append(title);
      chart.box = box;
      return box;
    });
    this.#place.replaceChildren(...boxes);
    for (const chart of this.#charts) {
      chart.plot = new uPlot(options(chart, width(chart.box)), [this.#times, ...chart.values], chart.box);
    }
  }

  #resize() {
    for (const { plot, box } of this.#charts) {
      const wide = width(box);
      if (Math.abs(plot.width - wide) > 2) plot.setSize({ width: wide, height: 170 });
    }
  }
}

function options({ series, unit }, wide) {
  const axis = {
    stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") },
    font: "12px system-ui",
  };
  return {
    width: wide, height: 170, cursor: { drag: { x: false, y: false } },
    scales: { y: { range: (_, low, high) => [0, Math.max(1, (high ?? 1) * 1.15)] } },
    axes: [{ ...axis }, { ...axis, size: 52, values: (_, ticks) => ticks.map((tick) => `${tick}${unit && ` ${unit}`}`) }],
    series: [{}, ...series.map(([label, name]) => ({
      label, stroke: colour(name), width: 2, points: { show: false },
      value: (_, value) => (value === null ? "–" : `${Math.round(value * 100) / 100}${unit && ` ${unit}`}`),
    }))],
  };
}

function width(box) {
  return Math.max(160, Math.floor(box.clientWidth) - 20);
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function seconds(ms) {
  return ms === undefined || ms === null ? null : ms / 1000;
}

function sum(rows, value) {
  return (rows ?? []).reduce((total, row) => total + value(row), 0);
}
