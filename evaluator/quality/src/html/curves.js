// The receiver operating characteristic, precision over recall, and how soon anomalies are caught.
{
  const HEIGHT = 300, MARGIN = { top: 12, right: 14, bottom: 44, left: 44 };
  const choice = byId("curves-choice");

  // From columns to points; recall and precision are shares of samples.
  const sampleLines = (x, y) => () => data.curves.filter((curve) => curve.scenario === choice.value).map((curve) => {
    const point = (at) => ({ x: at[x], y: at[y], tip: [["threshold", numberText(at.threshold)], ["recall", percentText(at.recall)],
      ["precision", percentText(at.precision)], ["false positive rate", percentText(at.fpr)]] });
    return { detector: curve.detector, points: curve.points.map(point), shipped: curve.shipped && point(curve.shipped) };
  });

  // How many were caught up to each delay; a step of the curve is drawn as two points.
  const delayLines = () => data.delays.filter((row) => row.scenario === choice.value).map((row) => {
    const points = [];
    let caught = 0;
    const add = (delay) => points.push({ x: delay, y: caught / row.n_events, tip: [["within", `${numberText(delay)} samples`],
      ["caught", `${numberText(caught)} of ${numberText(row.n_events)}`], ["share", percentText(caught / row.n_events)]] });
    for (const [delay, n] of row.counts) {
      add(delay);
      caught += n;
      add(delay);
    }
    return { detector: row.detector, points };
  });

  const PANELS = [
    { id: "curve-roc", xText: "false positive rate, of samples", yText: "recall", lines: sampleLines("fpr", "recall") },
    { id: "curve-pr", xText: "recall, of samples", yText: "precision", lines: sampleLines("recall", "precision") },
    { id: "curve-delay", xText: "samples from the first of the anomaly", yText: "share of anomalies caught", lines: delayLines, isLog: true },
  ];

  const scenarios = [...new Set([...data.delays, ...data.curves].map((one) => one.scenario))];
  choice.innerHTML = scenarios.map((name) => `<option>${escapeText(name)}</option>`).join("");
  if (scenarios.includes(data.opening[0])) choice.value = data.opening[0];
  choice.closest("label").hidden = scenarios.length < 2;
  choice.addEventListener("change", drawAll);

  // Shares lie on a straight axis, delays on a logarithmic one that begins at the very first sample.
  function horizontal({ isLog }, lines, width) {
    const ends = [MARGIN.left, width - MARGIN.right];
    if (!isLog) {
      const map = scale([0, 1], ends);
      return { x: map, marks: [0, 0.25, 0.5, 0.75, 1].map((share) => [map(share), `${100 * share} %`]) };
    }
    const last = lines.flatMap((line) => line.points).reduce((most, point) => Math.max(most, point.x), 10);
    const map = scale([0, Math.log10(last)], ends);
    const marks = [1, 3, 10, 30, 100, 300, 1000, 3000, 10000].filter((delay) => delay <= last);
    return { last, x: (delay) => map(Math.log10(delay)), marks: marks.map((delay) => [map(Math.log10(delay)), numberText(delay)]) };
  }

  function axes(marks, y, width, xText) {
    const bottom = HEIGHT - MARGIN.bottom, parts = [];
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      parts.push(`<path class="grid" d="M${MARGIN.left} ${y(share)}H${width - MARGIN.right}"/>`);
      parts.push(`<text x="${MARGIN.left - 8}" y="${y(share) + 4}" text-anchor="end">${100 * share} %</text>`);
    }
    for (const [at, text] of marks) {
      parts.push(`<path class="grid" d="M${at} ${MARGIN.top}V${bottom}"/>`);
      parts.push(`<text x="${at}" y="${bottom + 17}" text-anchor="middle">${text}</text>`);
    }
    parts.push(`<text x="${(MARGIN.left + width - MARGIN.right) / 2}" y="${HEIGHT - 6}" text-anchor="middle">${xText}</text>`);
    return parts.join("");
  }

  const styleOf = ({ detector }) => curveStyle(data.detectors[detector].color);

  function draw(panel) {
    const figure = byId(panel.id), svg = figure.querySelector("svg"), width = svg.clientWidth, lines = panel.lines();
    figure.hidden = lines.length === 0;
    if (figure.hidden) return;
    const { x, marks, last } = horizontal(panel, lines, width), y = scale([0, 1], [HEIGHT - MARGIN.bottom, MARGIN.top]);
    // What is never caught stays so: a curve of delays goes on level to the end.
    const level = (points) => (last ? [...points, { ...points.at(-1), x: last }] : points);
    const drawn = lines.map((line) => ({ ...line, places: level(line.points).map((point) => ({ point, x: x(point.x), y: y(point.y) })) }));
    const path = (line) => line.places.map((at, i) => `${i ? "L" : "M"}${at.x.toFixed(1)} ${at.y.toFixed(1)}`).join("");
    const ring = ({ shipped, detector }) => shipped && shipped.y !== null && shipped.x !== null
      ? `<circle class="shipped" style="--color:var(--${data.detectors[detector].color})" cx="${x(shipped.x)}" cy="${y(shipped.y)}" r="5"/>` : "";
    svg.setAttribute("height", HEIGHT);
    svg.setAttribute("aria-label", `${panel.yText} against ${panel.xText}, ${lines.length} detectors, scenario ${choice.value}`);
    svg.innerHTML = axes(marks, y, width, panel.xText)
      + drawn.map((line) => `<path class="curve" style="${styleOf(line)}" d="${path(line)}"/>`).join("")
      + drawn.map(ring).join("") + '<circle class="pick" r="5" visibility="hidden"/>';
    svg.onpointermove = (event) => hover(svg, event, drawn);
    svg.onpointerleave = () => { hideTooltip(svg); svg.querySelector(".pick").setAttribute("visibility", "hidden"); };
  }

  function hover(svg, event, lines) {
    const pointer = pointerIn(svg, event), pick = svg.querySelector(".pick");
    let best = null;
    for (const line of lines) {
      for (const at of line.places) {
        const distance = Math.hypot(at.x - pointer.x, at.y - pointer.y);
        if (!best || distance < best.distance) best = { line, at, distance };
      }
    }
    if (!best) return;
    pick.setAttribute("cx", best.at.x);
    pick.setAttribute("cy", best.at.y);
    pick.setAttribute("visibility", "visible");
    showTooltip(svg, best.at.x, MARGIN.top + 40, data.detectors[best.line.detector].name, best.at.point.tip);
  }

  function drawLegend() {
    const shown = [...new Set(PANELS.flatMap((panel) => panel.lines()).map((line) => line.detector))].sort((a, b) => a - b);
    byId("curves-legend").innerHTML = shown.map((detector) =>
      `<li><svg viewBox="0 0 20 10" aria-hidden="true"><path class="curve" style="${styleOf({ detector })}" d="M0 5H20"/></svg>${escapeText(data.detectors[detector].name)}</li>`).join("");
  }

  function drawAll() {
    drawLegend();
    for (const panel of PANELS) {
      byId(panel.id).hidden = false;
      draw(panel);
    }
  }

  drawLegend();
  for (const panel of PANELS) drawWithWidth(byId(panel.id), () => draw(panel));
}
