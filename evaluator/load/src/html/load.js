// Curves over the time of a load, one chart per panel; the cursor shows the same second in all of them.
{
  const COLORS = ["d0", "d1", "d2", "d3"];

  // Dotted lines at the starts of stages.
  function drawStages(u) {
    u.ctx.save();
    u.ctx.setLineDash([2, 3]);
    u.ctx.lineWidth = devicePixelRatio;
    u.ctx.strokeStyle = color("subdued");
    u.ctx.beginPath();
    for (const stage of data.stages.slice(1)) {
      const left = u.valToPos(stage.at_s, "x", true);
      u.ctx.moveTo(left, u.bbox.top);
      u.ctx.lineTo(left, u.bbox.top + u.bbox.height);
    }
    u.ctx.stroke();
    u.ctx.restore();
  }

  for (const panel of data.panels) {
    const figure = byId("charts").appendChild(document.createElement("figure")), element = document.createElement("div");
    figure.className = "chart";
    figure.innerHTML = `<figcaption>${escapeText(panel.title)}</figcaption>`;
    figure.append(element);
    const text = (u, value) => numberText(value);
    // A logarithmic axis cannot show zero.
    const values = (curve) => (panel.is_log ? curve.values.map((value) => (value > 0 ? value : null)) : curve.values);
    plot(element, `${panel.title}: ${panel.curves.map((curve) => curve.name).join(", ")}`, {
      height: 220, legend: { live: true },
      series: [{ label: "second", value: text }, ...panel.curves.map((curve, i) => ({ ...line(curve.name, COLORS[i]), value: text }))],
      scales: { x: { time: false }, y: panel.is_log ? { distr: 3 } : { range: (u, min, max) => [0, 1.05 * max || 1] } },
      axes: [axis({ size: 32, values: (u, all) => all.map((at) => `${numberText(at)} s`) }), axis({ size: 60, values: (u, all) => all.map((at) => (at === null ? "" : numberText(at))) })],
      cursor: { y: false, sync: { key: "load" } },
      hooks: { draw: [drawStages] },
    }, [data.at_s, ...panel.curves.map(values)]);
  }
}
