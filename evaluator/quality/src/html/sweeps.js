// Recall and precision against false alarms per series and day, one curve per detector.
{
  const HEIGHT = 300, MARGIN = { top: 12, right: 14, bottom: 44, left: 44 };
  const choice = byId("sweep-choice");
  const panels = [["sweep-recall", "recall"], ["sweep-precision", "precision"]];

  const scenarios = [...new Set(data.sweeps.map((sweep) => sweep.scenario))];
  choice.innerHTML = scenarios.map((name) => `<option>${escapeText(name)}</option>`).join("");
  if (scenarios.includes(data.opening[0])) choice.value = data.opening[0];
  choice.closest("label").hidden = scenarios.length < 2;
  choice.addEventListener("change", drawAll);

  const chosen = () => data.sweeps.filter((sweep) => sweep.scenario === choice.value);
  const colorOf = (sweep) => data.detectors[sweep.detector].color;
  const styleOf = (sweep) => curveStyle(colorOf(sweep));

  // The logarithmic axis of false alarms; none at all stands at its left end.
  function alarmsScale(sweeps, width) {
    const rates = sweeps.flatMap((sweep) => [...sweep.points, sweep.shipped]).map((point) => point?.rate ?? null).filter((rate) => rate !== null);
    const powers = rates.filter((rate) => rate > 0).map(Math.log10);
    // Zero has no logarithm: it stands a decade left of the smallest rate.
    const low = Math.floor(powers.reduce((a, b) => Math.min(a, b), 0)) - (rates.includes(0) ? 1 : 0);
    const high = Math.max(low + 1, Math.ceil(powers.reduce((a, b) => Math.max(a, b), low + 1)));
    const map = scale([low, high], [MARGIN.left, width - MARGIN.right]);
    const x = (rate) => map(rate > 0 ? Math.log10(rate) : low);
    return { x, low, high, hasZero: rates.includes(0) };
  }

  function axes({ x, low, high, hasZero }, y, width) {
    const bottom = HEIGHT - MARGIN.bottom, parts = [];
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      parts.push(`<path class="grid" d="M${MARGIN.left} ${y(share)}H${width - MARGIN.right}"/>`);
      parts.push(`<text x="${MARGIN.left - 8}" y="${y(share) + 4}" text-anchor="end">${100 * share} %</text>`);
    }
    for (let power = low; power <= high; power++) {
      const rate = 10 ** power, text = power === low && hasZero ? "0" : numberText(rate);
      parts.push(`<path class="grid" d="M${x(rate)} ${MARGIN.top}V${bottom}"/>`);
      parts.push(`<text x="${x(rate)}" y="${bottom + 17}" text-anchor="middle">${text}</text>`);
    }
    parts.push(`<text x="${(MARGIN.left + width - MARGIN.right) / 2}" y="${HEIGHT - 6}" text-anchor="middle">false alarms per series and day</text>`);
    return parts.join("");
  }

  function curve(sweep, key, x, y) {
    const points = sweep.points.filter((point) => point[key] !== null && point.rate !== null);
    const path = points.map((point, i) => `${i ? "L" : "M"}${x(point.rate).toFixed(1)} ${y(point[key]).toFixed(1)}`).join("");
    return `<path class="curve" style="${styleOf(sweep)}" d="${path}"/>`;
  }

  function shippedRing(sweep, key, x, y) {
    const at = sweep.shipped;
    if (!at || at[key] === null || at.rate === null) return "";
    return `<circle class="shipped" style="--color:var(--${colorOf(sweep)})" cx="${x(at.rate)}" cy="${y(at[key])}" r="5"/>`;
  }

  function draw(id, key) {
    const svg = byId(id).querySelector("svg"), width = svg.clientWidth, sweeps = chosen();
    const alarms = alarmsScale(sweeps, width), y = scale([0, 1], [HEIGHT - MARGIN.bottom, MARGIN.top]);
    svg.setAttribute("height", HEIGHT);
    svg.setAttribute("aria-label", `${key} against false alarms per series and day, ${sweeps.length} detectors, scenario ${choice.value}`);
    svg.innerHTML = axes(alarms, y, width)
      + sweeps.map((sweep) => curve(sweep, key, alarms.x, y)).join("")
      + sweeps.map((sweep) => shippedRing(sweep, key, alarms.x, y)).join("")
      + '<circle class="pick" r="5" visibility="hidden"/>';
    svg.onpointermove = (event) => hover(svg, event, nearestTo(sweeps, key, alarms.x, y));
    svg.onpointerleave = () => { hideTooltip(svg); svg.querySelector(".pick").setAttribute("visibility", "hidden"); };
  }

  // The point of any curve that is nearest to a place.
  const nearestTo = (sweeps, key, x, y) => (place) => {
    let best = null;
    for (const sweep of sweeps) {
      for (const point of sweep.points) {
        if (point[key] === null || point.rate === null) continue;
        const at = { x: x(point.rate), y: y(point[key]) };
        const distance = Math.hypot(at.x - place.x, at.y - place.y);
        if (!best || distance < best.distance) best = { sweep, point, at, distance };
      }
    }
    return best;
  };

  function hover(svg, event, nearest) {
    const best = nearest(pointerIn(svg, event)), pick = svg.querySelector(".pick");
    if (!best) return;
    pick.setAttribute("cx", best.at.x);
    pick.setAttribute("cy", best.at.y);
    pick.setAttribute("visibility", "visible");
    const { threshold, recall, precision, f1, rate } = best.point;
    showTooltip(svg, best.at.x, MARGIN.top + 40, data.detectors[best.sweep.detector].name, [
      ["threshold", numberText(threshold)], ["recall", percentText(recall)], ["precision", percentText(precision)],
      ["F1", numberText(f1, 3)], ["false alarms a day", numberText(rate, 3)]]);
  }

  function drawLegend() {
    byId("sweep-legend").innerHTML = chosen().map((sweep) =>
      `<li><svg viewBox="0 0 20 10" aria-hidden="true"><path class="curve" style="${styleOf(sweep)}" d="M0 5H20"/></svg>${escapeText(data.detectors[sweep.detector].name)}</li>`).join("");
  }

  function drawAll() {
    drawLegend();
    for (const [id, key] of panels) draw(id, key);
  }

  drawLegend();
  for (const [id, key] of panels) drawWithWidth(byId(id), () => draw(id, key));
}
