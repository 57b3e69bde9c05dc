// The chart of one series: values, what was expected of each, anomalies and episodes; drawn by uPlot.
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
  const hint = "Drag to zoom. Click or use ← and → for the verdict of a sample.";
  const readout = element("p", { className: "faint readout" }, hint);
  into.replaceChildren(
    element("div", { className: "row" },
      element("div", { className: "key-of-chart grow" }, key("value", "value"), key("expected", "expected then"),
        key("band", "usual range then"), key("anomaly", "anomaly"), key("episode", "episode")), reset),
    box, readout);
  let plot = null, samples = [], episodes = [], isZoomed = false;
  const fit = () => {
    isZoomed = false;
    plot.setScale("x", { min: samples[0].timestamp / 1000, max: samples.at(-1).timestamp / 1000 + 1 });
  };

  // Stretches of samples in a row that have a band, each at least one sample long.
  function stretches() {
    const made = [[]];
    for (const sample of samples) {
      if (sample.band) made.at(-1).push(sample);
      else if (made.at(-1).length) made.push([]);
    }
    return made.filter((stretch) => stretch.length);
  }

  // Draws a line through numbers of samples, forth or back; that of a sample alone has some width.
  function trace(ctx, stretch, x, y, value, isBack) {
    const all = isBack ? [...stretch].reverse() : stretch;
    const wide = stretch.length === 1 ? (isBack ? -3 : 3) * devicePixelRatio : 0;
    for (const sample of all) {
      ctx.lineTo(x(sample.timestamp) - wide, y(value(sample)));
      if (wide) ctx.lineTo(x(sample.timestamp) + wide, y(value(sample)));
    }
  }

  function draw(u) {
    const { ctx } = u, { left, top, width, height } = u.bbox;
    const x = (ms) => u.valToPos(ms / 1000, "x", true), y = (value) => u.valToPos(value, "y", true);
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    const paint = (name, share) => Object.assign(ctx, { fillStyle: color(name), strokeStyle: color(name), globalAlpha: share });
    paint("anomaly", 0.13);
    for (const episode of episodes) {
      const from = x(episode.start);
      ctx.fillRect(from - 2, top, Math.max(x(episode.end) - from, 2) + 4, height);
    }
    for (const stretch of stretches()) {
      paint("normal", 0.2);
      ctx.beginPath();
      trace(ctx, stretch, x, y, (sample) => sample.band[1]);
      trace(ctx, stretch, x, y, (sample) => sample.band[0], true);
      ctx.closePath();
      ctx.fill();
      paint("normal", 0.8);
      ctx.beginPath();
      ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.lineWidth = devicePixelRatio;
      trace(ctx, stretch, x, y, (sample) => sample.expected);
      ctx.stroke();
      ctx.setLineDash([]);
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

  // Includes the usual ranges, as far as they leave a third of the height to the values.
  function yRange(_, min, max) {
    if (min === null) return [0, 1];
    const bands = samples.filter((sample) => sample.band).flatMap((sample) => sample.band);
    const span = max - min || Math.max(...bands.map((end) => Math.abs(end - min)), 0) || Math.abs(max) || 1;
    const low = Math.max(Math.min(min, ...bands), min - span), high = Math.min(Math.max(max, ...bands), max + span);
    const margin = (high - low || 1) * 0.07;
    return [low - margin, high + margin];
  }

  function describe(u) {
    const sample = u.cursor.idx === null || u.cursor.idx === undefined ? null : samples[u.cursor.idx];
    readout.textContent = !sample ? hint : [
      `${time(sample.timestamp)}: ${number(judged(sample))}`,
      sample.band && `expected ${number(sample.expected)}, usual ${range(sample.band)}`,
      sample.verdict !== "normal" && sample.verdict,
    ].filter(Boolean).join("; ");
  }

  function make() {
    const line = () => ({ stroke: () => color("line"), width: 1 });
    const axis = () => ({ stroke: () => color("faint"), grid: line(), ticks: line() });
    const options = {
      width: box.clientWidth, height: Math.min(340, Math.max(220, innerHeight * 0.4)),
      cursor: { y: false, points: { size: 8 } },
      scales: { x: { time: true }, y: { range: yRange } },
      axes: [axis(), { ...axis(), size: 64, values: (_, values) => values.map(number) }],
      series: [{}, { stroke: () => color("accent"), width: 1.6, points: { show: false }, spanGaps: false }],
      hooks: {
        drawClear: [draw], draw: [drawPoints], setCursor: [describe],
        setSelect: [(u) => { isZoomed = u.select.width > 0 || isZoomed; }],
      },
    };
    plot = new uPlot(options, data(), box);
    plot.over.addEventListener("click", () => { if (plot.cursor.idx !== null) selection.choose(samples[plot.cursor.idx]?.timestamp); });
    plot.over.addEventListener("dblclick", fit);
  }

  const data = () => {
    const isCounter = samples.some((sample) => (sample.rate ?? sample.mean) !== undefined);
    const value = isCounter ? (sample) => sample.rate ?? sample.mean ?? null : judged;
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
    update(newSamples, newEpisodes) {
      [samples, episodes] = [newSamples, newEpisodes];
      if (!samples.length) return;
      const n = samples.filter((sample) => sample.verdict === "anomaly").length;
      box.setAttribute("aria-label", `${samples.length} samples, ${n} of them anomalies`);
      box.dataset.bands = samples.filter((sample) => sample.band).length;
      if (!plot) return make();
      plot.setData(data(), !isZoomed);
      if (isZoomed) plot.redraw();
    },
  };
}
