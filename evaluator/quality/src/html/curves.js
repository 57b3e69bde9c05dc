// Curves of detectors: other thresholds, ROC, precision over recall, and delays, by scenario.
{
  const RATES = { xText: "false alarms per series and day", isLog: true };
  const PANELS = {
    "sweep-recall": { ...RATES, yText: "recall" },
    "sweep-precision": { ...RATES, yText: "precision" },
    "curve-roc": { xText: "false positive rate, of samples", yText: "recall" },
    "curve-pr": { xText: "recall, of samples", yText: "precision" },
    "curve-delay": { xText: "samples from the first of the anomaly", yText: "share of anomalies caught", isLog: true },
  };

  const path = (u, i) => {
    const stroke = new Path2D(), [xs, ys] = u.data[i];
    xs.forEach((x, k) => stroke[k ? "lineTo" : "moveTo"](u.valToPos(x, "x", true), u.valToPos(ys[k], "y", true)));
    return { stroke };
  };

  // A logarithmic axis cannot show zero, so zero is drawn a decade below the smallest value.
  function positive(curves) {
    const smallest = Math.min(1, ...curves.flatMap((curve) => curve.x).filter((x) => x > 0));
    const floor = 10 ** (Math.floor(Math.log10(smallest)) - 1);
    return (x) => (x > 0 ? x : floor);
  }

  function nearest(u, curves) {
    let best = null;
    const isShown = (curve, i) => u.series[i + 1].show;
    curves.forEach((curve, i) => isShown(curve, i) && u.data[i + 1][0].forEach((x, k) => {
      const left = u.valToPos(x, "x"), distance = Math.hypot(left - u.cursor.left, u.valToPos(curve.y[k], "y") - u.cursor.top);
      if (!best || distance < best.distance) best = { curve, k, left, distance, i: i + 1 };
    }));
    return best;
  }

  function hover(u, panel, curves) {
    const best = nearest(u, curves);
    if (u.cursor.left < 0 || !best) return showTooltip(u);
    const { curve, k, left } = best;
    showTooltip(u, left, data.detectors[curve.detector].name, [
      [panel.xText, panel.isLog ? numberText(curve.x[k], 3) : percentText(curve.x[k])], [panel.yText, percentText(curve.y[k])],
      ...(curve.thresholds.length ? [["threshold", numberText(curve.thresholds[k])]] : [])]);
  }

  // Rings at the thresholds that ship.
  function drawRings(u, curves, x) {
    for (const { shipped, detector } of curves.filter((curve, i) => curve.shipped && u.series[i + 1].show)) {
      u.ctx.beginPath();
      u.ctx.arc(u.valToPos(x(shipped[0]), "x", true), u.valToPos(shipped[1], "y", true), 5 * devicePixelRatio, 0, 2 * Math.PI);
      u.ctx.lineWidth = 2.5 * devicePixelRatio;
      u.ctx.setLineDash([]);
      u.ctx.strokeStyle = color(data.detectors[detector].color);
      u.ctx.stroke();
    }
  }

  function draw(id, scenario) {
    const panel = PANELS[id], figure = byId(id), curves = data.curves.filter((curve) => curve.panel === id && curve.scenario === scenario);
    const element = figure.querySelector("div");
    unplot(element);
    figure.hidden = curves.length === 0;
    if (figure.hidden) return;
    const x = panel.isLog ? positive(curves) : (x) => x;
    const hasZero = panel.isLog && curves.some(({ x, shipped }) => x.includes(0) || shipped?.[0] === 0);
    const logText = (at) => (at === null ? "" : hasZero && at <= 1.001 * x(0) ? "0" : numberText(at));
    const facets = [{ scale: "x", auto: true }, { scale: "y", auto: true }];
    const named = curves.map(({ detector }) => ({ ...line(data.detectors[detector].name, data.detectors[detector].color), facets, paths: path }));
    plot(element, `${panel.yText} against ${panel.xText}, ${curves.length} detectors, scenario ${scenario}`, {
      mode: 2, height: 300, series: [{}, ...named],
      scales: { x: { time: false, ...(panel.isLog ? { distr: 3 } : { range: [0, 1] }) }, y: { range: [0, 1] } },
      axes: [panel.isLog ? axis({ label: panel.xText, size: 32, values: (u, all) => all.map(logText) }) : shareAxis({ label: panel.xText, size: 32 }),
        shareAxis({})],
      cursor: { drag: { x: false, y: false }, points: { show: false } },
      hooks: { setCursor: [(u) => hover(u, panel, curves)], draw: [(u) => drawRings(u, curves, x)] },
    }, [null, ...curves.map((curve) => [curve.x.map(x), curve.y])]);
  }

  for (const [choice, prefix] of [["sweep-choice", "sweep-"], ["curves-choice", "curve-"]]) {
    const select = byId(choice), ids = Object.keys(PANELS).filter((id) => id.startsWith(prefix));
    if (!select) continue;
    const scenarios = [...new Set(data.curves.filter((curve) => ids.includes(curve.panel)).map((curve) => curve.scenario))];
    select.innerHTML = scenarios.map((name) => `<option>${escapeText(name)}</option>`).join("");
    if (scenarios.includes(data.opening[0])) select.value = data.opening[0];
    select.closest("label").hidden = scenarios.length < 2;
    const drawAll = () => ids.forEach((id) => draw(id, select.value));
    select.addEventListener("change", drawAll);
    drawAll();
  }
}
