// The chart of one series: values, anomalies, episodes and usual ranges; drawn by uPlot.
//
// Functions of app.js that it uses are defined once the page is loaded.
"use strict";

// A color of the style sheet, so that the chart follows the light and the dark scheme.
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);

// Makes a chart in an element. `selection.chosen` returns the time of the chosen sample, `selection.choose` changes it.
function makeChart(into, selection) {
  const box = element("div", { className: "chart", role: "img" });
  const key = (kind, text) => element("span", {}, element("i", { className: `of-${kind}` }), text);
  const reset = element("button", { type: "button", onclick: () => plot && fit() }, "Whole window");
  into.replaceChildren(
    element("div", { className: "row" },
      element("div", { className: "key-of-chart grow" }, key("value", "value"), key("anomaly", "anomaly"),
        key("band", "usual range: pale now, bars at anomalies"), key("episode", "episode")), reset),
    box, element("p", { className: "faint" }, "Drag to zoom. Click or use ← and → for the verdict of a sample."));
  let plot = null, samples = [], episodes = [], band = null, isZoomed = false;
  const fit = () => {
    isZoomed = false;
    plot.setScale("x", { min: samples[0].timestamp / 1000, max: samples.at(-1).timestamp / 1000 + 1 });
  };

  function draw(u) {
    const { ctx } = u, { left, top, width, height } = u.bbox;
    const x = (ms) => u.valToPos(ms / 1000, "x", true), y = (value) => u.valToPos(value, "y", true);
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    const paint = (name, share) => Object.assign(ctx, { fillStyle: color(name), globalAlpha: share });
    paint("anomaly", 0.13);
    for (const episode of episodes) {
      const from = x(episode.start);
      ctx.fillRect(from - 2, top, Math.max(x(episode.end) - from, 2) + 4, height);
    }
    paint("normal", 0.1);
    if (band) ctx.fillRect(left, y(band[1]), width, y(band[0]) - y(band[1]));
    paint("normal", 0.4);
    const bar = Math.max(4, Math.min(14, width / samples.length * 0.7));
    for (const sample of samples) {
      if (sample.band) ctx.fillRect(x(sample.timestamp) - bar / 2, y(sample.band[1]), bar, y(sample.band[0]) - y(sample.band[1]));
    }
    ctx.restore();
  }

  function drawPoints(u) {
    const { ctx } = u;
    for (const sample of samples) {
      const isChosen = sample.timestamp === selection.chosen();
      if (sample.verdict !== "anomaly" && !isChosen) continue;
      const x = u.valToPos(sample.timestamp / 1000, "x", true), y = u.valToPos(judged(sample), "y", true);
      if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) continue;
      ctx.beginPath();
      ctx.arc(x, y, (isChosen ? 6 : 4) * devicePixelRatio, 0, 2 * Math.PI);
      ctx.fillStyle = color(sample.verdict === "anomaly" ? "anomaly" : "accent");
      ctx.fill();
    }
  }

  function make() {
    const line = () => ({ stroke: () => color("line"), width: 1 });
    const axis = () => ({ stroke: () => color("faint"), grid: line(), ticks: line() });
    const options = {
      width: box.clientWidth, height: Math.min(340, Math.max(220, innerHeight * 0.4)),
      cursor: { y: false, points: { size: 8 } },
      scales: {
        x: { time: true },
        y: { range: (_, min, max) => {
          const bands = samples.filter((sample) => sample.band).flatMap((sample) => sample.band);
          const [low, high] = [Math.min(min, ...bands), Math.max(max, ...bands)];
          const margin = (high - low || Math.abs(high) || 1) * 0.07;
          return [low - margin, high + margin];
        } },
      },
      axes: [axis(), { ...axis(), size: 64, values: (_, values) => values.map(number) }],
      series: [{}, { stroke: () => color("accent"), width: 1.6, points: { show: false }, spanGaps: false }],
      hooks: {
        drawClear: [draw], draw: [drawPoints],
        setSelect: [(u) => { isZoomed = u.select.width > 0 || isZoomed; }],
      },
    };
    plot = new uPlot(options, data(), box);
    plot.over.addEventListener("click", () => { if (plot.cursor.idx !== null) selection.choose(samples[plot.cursor.idx]?.timestamp); });
    plot.over.addEventListener("dblclick", fit);
  }

  const data = () => {
    const isCounter = samples.some((sample) => sample.rate !== undefined);
    const value = isCounter ? (sample) => sample.rate ?? null : judged;
    return [samples.map((sample) => sample.timestamp / 1000), samples.map(value)];
  };
  new ResizeObserver(() => plot && box.isConnected && plot.setSize({ width: box.clientWidth, height: plot.height })).observe(box);

  return {
    recolor() {
      if (plot && box.isConnected) plot.redraw(false, true);
    },
    step(by) {
      const at = samples.findIndex((sample) => sample.timestamp === selection.chosen());
      selection.choose(samples[Math.max(0, Math.min(samples.length - 1, (at < 0 ? samples.length - 1 : at) + by))]?.timestamp);
    },
    update(newSamples, newEpisodes, newBand) {
      [samples, episodes, band] = [newSamples, newEpisodes, newBand];
      if (!samples.length) return;
      const n = samples.filter((sample) => sample.verdict === "anomaly").length;
      box.setAttribute("aria-label", `${samples.length} samples, ${n} of them anomalies`);
      if (!plot) return make();
      plot.setData(data(), !isZoomed);
      if (isZoomed) plot.redraw();
    },
  };
}
