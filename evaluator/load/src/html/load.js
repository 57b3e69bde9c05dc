// Curves over the time of a load, one panel a question; the same second is shown in all of them.
{
  const HEIGHT = 220, MARGIN = { top: 10, right: 12, bottom: 26, left: 52 };
  const COLORS = ["d0", "d1", "d2", "d3"];
  const charts = byId("charts"), end = Math.max(data.at_s.at(-1) ?? 1, 1);

  // The lowest and highest value to be seen; a logarithm wants none at zero.
  function domain(panel) {
    const seen = panel.curves.flatMap((curve) => curve.values).filter((value) => value !== null && (!panel.is_log || value > 0));
    const high = seen.reduce((a, b) => Math.max(a, b), 0) || 1;
    if (!panel.is_log) return [0, high * 1.05];
    const low = seen.reduce((a, b) => Math.min(a, b), high);
    return [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high) + 1e-9)];
  }

  // Maps a value to its height; a logarithm cannot show zero, which lies on the floor.
  function height(panel) {
    const ends = domain(panel), map = scale(ends, [HEIGHT - MARGIN.bottom, MARGIN.top]);
    const y = panel.is_log ? (value) => map(Math.max(ends[0], Math.log10(value))) : map;
    const marks = panel.is_log
      ? Array.from({ length: ends[1] - ends[0] + 1 }, (_, i) => 10 ** (ends[0] + i))
      : ticks(0, ends[1], 4);
    return { y, marks };
  }

  function axes(x, { y, marks }, width) {
    const right = width - MARGIN.right, bottom = HEIGHT - MARGIN.bottom;
    const rows = marks.map((mark) => `<path class="grid" d="M${MARGIN.left} ${y(mark)}H${right}"/>`
      + `<text x="${MARGIN.left - 8}" y="${y(mark) + 4}" text-anchor="end">${numberText(mark)}</text>`);
    const columns = ticks(0, end, 6).map((at) => `<text x="${x(at)}" y="${bottom + 18}" text-anchor="middle">${numberText(at)} s</text>`);
    const stages = data.stages.slice(1).map((stage) => `<path class="cross" d="M${x(stage.at_s)} ${MARGIN.top}V${bottom}"/>`);
    return rows.join("") + columns.join("") + stages.join("");
  }

  function path(curve, x, y) {
    let text = "", isDown = false;
    curve.values.forEach((value, i) => {
      if (value === null) { isDown = false; return; }
      text += `${isDown ? "L" : "M"}${x(data.at_s[i]).toFixed(1)} ${y(value).toFixed(1)}`;
      isDown = true;
    });
    return text;
  }

  function draw(figure, panel) {
    const svg = figure.querySelector("svg"), width = svg.clientWidth;
    const x = scale([0, end], [MARGIN.left, width - MARGIN.right]), h = height(panel);
    svg.setAttribute("height", HEIGHT);
    svg.setAttribute("aria-label", `${panel.title}: ${panel.curves.map((curve) => curve.name).join(", ")}`);
    svg.innerHTML = axes(x, h, width)
      + panel.curves.map((curve, i) => `<path class="curve" style="${curveStyle(COLORS[i])}" d="${path(curve, x, h.y)}"/>`).join("")
      + `<path class="cross" data-hair visibility="hidden" d=""/>`;
    svg.onpointermove = (event) => hover(x.invert(pointerIn(svg, event).x));
    svg.onpointerleave = leave;
    figure.hairAt = (i) => {
      const hair = svg.querySelector("[data-hair]"), at = x(data.at_s[i]);
      hair.setAttribute("d", `M${at} ${MARGIN.top}V${HEIGHT - MARGIN.bottom}`);
      hair.setAttribute("visibility", "visible");
      showTooltip(svg, at, MARGIN.top + 24, `${numberText(data.at_s[i])} s`,
        panel.curves.map((curve) => [curve.name, numberText(curve.values[i])]));
    };
  }

  // The same second in every panel.
  function hover(at_s) {
    let best = 0;
    data.at_s.forEach((at, i) => { if (Math.abs(at - at_s) < Math.abs(data.at_s[best] - at_s)) best = i; });
    for (const figure of charts.children) figure.hairAt?.(best);
  }

  function leave() {
    for (const figure of charts.children) {
      figure.querySelector("[data-hair]")?.setAttribute("visibility", "hidden");
      figure.querySelector(".tooltip").hidden = true;
    }
  }

  for (const panel of data.panels) {
    const figure = document.createElement("figure");
    figure.className = "chart";
    const legend = panel.curves.map((curve, i) => `<li><svg viewBox="0 0 20 10" aria-hidden="true"><path class="curve" style="${curveStyle(COLORS[i])}" d="M0 5H20"/></svg>${escapeText(curve.name)}</li>`);
    figure.innerHTML = `<figcaption>${escapeText(panel.title)}</figcaption><svg role="img"></svg><ul class="legend">${legend.join("")}</ul><div class="tooltip" hidden></div>`;
    charts.append(figure);
    drawWithWidth(figure, () => draw(figure, panel));
  }
}
