// One series: value, band, alarms and labelled anomalies, with zoom, a strip of the whole, and a tooltip.
{
  const HEIGHT = 360, STRIP = 46, MARGIN = { top: 26, right: 22, bottom: 26, left: 56 };
  // A drag shorter than this is a click.
  const DRAG_MIN = 5;
  const figure = byId("series-chart"), main = figure.querySelector(".main"), strip = figure.querySelector(".overview");
  const choice = byId("series-choice"), full = byId("scale-full");
  let trace, outcomes, view, drag = null;

  const whole = () => [trace.times[0], Math.max(trace.times.at(-1), trace.times[0] + 1)];
  const nameOf = (packed) => `${packed.series} — ${data.detectors[packed.detector].name}`;
  const xOf = (range, width) => scale(range, [MARGIN.left, width - MARGIN.right]);

  function fillChoice() {
    const groups = new Map();
    data.traces.forEach((packed, i) => groups.set(packed.scenario, [...(groups.get(packed.scenario) ?? []), i]));
    choice.innerHTML = [...groups].map(([scenario, members]) => `<optgroup label="${escapeText(scenario)}">${
      members.map((i) => `<option value="${i}">${escapeText(nameOf(data.traces[i]))}</option>`).join("")}</optgroup>`).join("");
    choice.value = data.opening[1];
  }

  function choose() {
    const before = trace;
    trace = decodeTrace(data.traces[choice.value]);
    outcomes = eventOutcomes(trace);
    // Another detector on the same series keeps the place that is looked at.
    const same = before && before.scenario === trace.scenario && before.series === trace.series;
    view = same ? view : whole();
    fillEvents();
    draw();
  }

  // Shows a range of time, not shorter than four samples and not outside the series.
  function show(from, to) {
    const [first, last] = whole(), length = clamp(to - from, Math.min(4 * trace.interval_ms, last - first), last - first);
    const start = clamp((from + to - length) / 2, first, last - length);
    view = [start, start + length];
    draw();
  }

  const zoom = (factor) => { const middle = (view[0] + view[1]) / 2, half = (factor * (view[1] - view[0])) / 2; show(middle - half, middle + half); };
  const pan = (share) => { const by = share * (view[1] - view[0]); show(view[0] + by, view[1] + by); };

  function showEvent(event) {
    const around = Math.max(3 * (event.end_ms - event.start_ms), 60 * trace.interval_ms);
    show(event.start_ms - around, event.end_ms + around);
  }

  function stepEvent(direction) {
    const middle = (view[0] + view[1]) / 2, centre = (event) => (event.start_ms + event.end_ms) / 2;
    const zoomed = view[1] - view[0] < whole()[1] - whole()[0];
    const sorted = direction > 0 ? trace.events : [...trace.events].reverse();
    showEvent(sorted.find((event) => !zoomed || direction * (centre(event) - middle) > trace.interval_ms) ?? sorted[0]);
  }

  // Round values with texts that differ.
  function valueTicks(low, high) {
    const digits = digitsFor(Math.max(Math.abs(low), Math.abs(high)), (high - low) / 5);
    return ticks(low, high, 5).map((value) => ({ value, text: numberText(value, digits) }));
  }

  function axes(x, y, [low, high], width) {
    const right = width - MARGIN.right, bottom = HEIGHT - MARGIN.bottom;
    const values = valueTicks(low, high).map(({ value, text }) => `<path class="grid" d="M${MARGIN.left} ${y(value)}H${right}"/><text x="${MARGIN.left - 8}" y="${y(value) + 4}" text-anchor="end">${text}</text>`);
    const times = timeTicks(...view, Math.max(2, Math.floor(width / 75))).map(({ at, text }) =>
      `<path class="grid" d="M${x(at)} ${bottom}v5"/><text x="${x(at)}" y="${bottom + 19}" text-anchor="middle">${text}</text>`);
    return values.join("") + times.join("");
  }

  function eventShades(x, width) {
    let free = -Infinity;
    return trace.events.filter((event) => event.end_ms >= view[0] && event.start_ms <= view[1]).map((event) => {
      const half = trace.interval_ms / 2, left = clamp(x(event.start_ms - half), MARGIN.left, width), end = clamp(x(event.end_ms + half), left, width - MARGIN.right);
      const text = event.kind.replaceAll("_", " "), room = 6.2 * text.length, spare = left >= free && left + room < width;
      if (spare) free = left + room + 6;
      return `<rect class="event" x="${left}" y="${MARGIN.top - 4}" width="${Math.max(2, end - left)}" height="${HEIGHT - MARGIN.top - MARGIN.bottom + 4}"/>`
        + (spare ? `<text class="kind" x="${left}" y="${MARGIN.top - 9}">${escapeText(text)}</text>` : "");
    }).join("");
  }

  function bandPath(x, y) {
    return bandColumns(trace, ...view, x).map((columns) => {
      const upper = columns.map(({ column, high }) => `${column} ${y(high).toFixed(1)}`);
      const lower = columns.map(({ column, low }) => `${column} ${y(low).toFixed(1)}`).reverse();
      return `M${upper.concat(lower).join("L")}Z`;
    }).join("");
  }

  // Lines and alone-standing samples; the latter as dots, since a line of one point has no length.
  function valuePath(range, x, y, width) {
    const indices = drawnIndices(trace, ...range, x, width), minGap = 2 * (x.invert(1) - x.invert(0));
    return runs(trace, indices, (i) => trace.values[i] !== null, minGap).map((run) => {
      const points = run.map((i) => `${x(trace.times[i]).toFixed(1)} ${y(trace.values[i]).toFixed(1)}`);
      return `M${points.join("L")}${run.length === 1 ? "h.1" : ""}`;
    }).join("");
  }

  // Alarms as dots and what lies beyond the scale as triangles at the edge; equal places are drawn once.
  function marks(x, y, [low, high]) {
    const drawn = new Map();
    for (let i = indexAt(trace, view[0]); i < trace.times.length && trace.times[i] <= view[1]; i++) {
      const value = trace.values[i], right = trace.right.has(i), alarm = right || trace.wrong.has(i);
      const beyond = value !== null && (value > high || value < low);
      if (!alarm && !beyond) continue;
      const at = x(trace.times[i]), to = value === null ? y(low) : y(value);
      const key = `${Math.round(at)} ${Math.round(to / 2)} ${right}`;
      if (!drawn.has(key)) drawn.set(key, beyond ? triangle(at, to, value > high, alarm) : `<circle class="alarm ${right ? "right" : "false"}" cx="${at.toFixed(1)}" cy="${to.toFixed(1)}" r="3.6"/>`);
    }
    return [...drawn.values()].join("");
  }

  function triangle(x, y, up, alarm) {
    const tip = up ? y - 1 : y + 1, foot = up ? tip + 8 : tip - 8;
    return `<path class="beyond${alarm ? " alarmed" : ""}" d="M${x} ${tip}L${x + 5} ${foot}H${x - 5}Z"/>`;
  }

  function draw() {
    const width = main.clientWidth, range = valueRange(trace, ...view, full.checked);
    MARGIN.left = Math.max(56, ...valueTicks(...range).map(({ text }) => 16 + 6.8 * text.length));
    const x = xOf(view, width);
    const straight = scale(range, [HEIGHT - MARGIN.bottom, MARGIN.top]);
    const y = (value) => straight(clamp(value, ...range));
    main.setAttribute("height", HEIGHT);
    main.setAttribute("aria-label", describe());
    main.innerHTML = `<clipPath id="plot"><rect x="${MARGIN.left}" y="${MARGIN.top}" width="${Math.max(0, width - MARGIN.left - MARGIN.right)}" height="${HEIGHT - MARGIN.top - MARGIN.bottom}"/></clipPath>`
      + eventShades(x, width) + axes(x, y, range, width)
      + `<g clip-path="url(#plot)"><path class="band" d="${bandPath(x, y)}"/><path class="line" d="${valuePath(view, x, y, width)}"/></g>`
      + marks(x, y, range) + '<path class="cross" visibility="hidden"/><circle class="pick" r="6" visibility="hidden"/><rect class="brush" visibility="hidden"/>';
    hideTooltip(main);
    main.onpointermove = (event) => (drag ? drawBrush(main, event) : hover(event, x, y));
    drawStrip();
  }

  function drawStrip() {
    const width = strip.clientWidth, all = whole(), x = xOf(all, width), range = valueRange(trace, ...all, full.checked);
    const straight = scale(range, [STRIP - 3, 3]), y = (value) => straight(clamp(value, ...range));
    const zoomed = view[1] - view[0] < all[1] - all[0];
    const shades = trace.events.map((event) => `<rect class="event" x="${x(event.start_ms)}" y="0" height="${STRIP}" width="${Math.max(2, x(event.end_ms) - x(event.start_ms))}"/>`);
    strip.setAttribute("height", STRIP);
    strip.innerHTML = `${shades.join("")}<path class="line" d="${valuePath(all, x, y, width)}"/><rect class="brush" x="${x(view[0])}" y=".5" width="${Math.max(2, x(view[1]) - x(view[0]))}" height="${STRIP - 1}" rx="3"${zoomed ? "" : ' visibility="hidden"'}/>`;
  }

  function describe() {
    const caught = outcomes.filter((event) => event.delay !== null).length, from = indexAt(trace, view[0]), to = indexAt(trace, view[1] + 1);
    return `${nameOf(trace)}: ${to - from} samples from ${timeText(Math.round(view[0]))} to ${timeText(Math.round(view[1]))} UTC. `
      + `In the whole series ${trace.right.size + trace.wrong.size} alarms, ${trace.wrong.size} of them outside every anomaly; ${outcomes.length} labelled anomalies, ${caught} of them caught.`;
  }

  // The sample nearest in time, or an alarm within a few pixels.
  function nearest(pixel, x) {
    const from = indexAt(trace, x.invert(pixel - 5)), to = indexAt(trace, x.invert(pixel + 5));
    const distance = (i) => Math.abs(x(trace.times[i]) - pixel);
    let best = -1;
    for (let i = from; i < to; i++) {
      if ((trace.right.has(i) || trace.wrong.has(i)) && (best < 0 || distance(i) < distance(best))) best = i;
    }
    if (best >= 0) return best;
    const after = clamp(indexAt(trace, x.invert(pixel)), 0, trace.times.length - 1);
    return after > 0 && distance(after - 1) < distance(after) ? after - 1 : after;
  }

  function hover(event, x, y) {
    const i = nearest(pointerIn(main, event).x, x), at = x(trace.times[i]), value = trace.values[i];
    if (at < MARGIN.left - 1 || at > main.clientWidth - MARGIN.right + 1) return unhover();
    const cross = main.querySelector(".cross"), pick = main.querySelector(".pick");
    cross.setAttribute("d", `M${at} ${MARGIN.top}V${HEIGHT - MARGIN.bottom}`);
    cross.setAttribute("visibility", "visible");
    pick.setAttribute("visibility", value === null ? "hidden" : "visible");
    if (value !== null) { pick.setAttribute("cx", at); pick.setAttribute("cy", y(value)); }
    const labelled = trace.events.find((e) => e.start_ms <= trace.times[i] && trace.times[i] <= e.end_ms);
    const number = (value) => numberText(value, trace.digits);
    const band = trace.lows[i] === null ? "–" : `${number(trace.lows[i])} to ${number(trace.highs[i])}`;
    const said = trace.right.has(i) ? "right alarm" : trace.wrong.has(i) ? "false alarm" : "no alarm";
    showTooltip(main, at, MARGIN.top + 18, timeText(trace.times[i]), [
      ["value", number(value)], ["expected", number(trace.expected[i])], ["band", band],
      ["score", numberText(trace.scores[i], 3)], ["verdict", said], ...(labelled ? [["labelled", labelled.kind.replaceAll("_", " ")]] : [])]);
  }

  function unhover() {
    hideTooltip(main);
    main.querySelectorAll(".cross, .pick").forEach((mark) => mark.setAttribute("visibility", "hidden"));
  }

  function drawBrush(svg, event) {
    const at = pointerIn(svg, event).x, left = clamp(Math.min(at, drag.from), MARGIN.left, svg.clientWidth - MARGIN.right), end = clamp(Math.max(at, drag.from), left, svg.clientWidth - MARGIN.right);
    const brush = svg.querySelector(".brush");
    brush.setAttribute("x", left);
    brush.setAttribute("width", end - left);
    if (svg === main) { brush.setAttribute("y", MARGIN.top); brush.setAttribute("height", HEIGHT - MARGIN.top - MARGIN.bottom); }
    brush.setAttribute("visibility", "visible");
  }

  // Dragging draws a range; in the strip, a drag that starts on the shown range moves it instead.
  function brushOn(svg, range) {
    const toTime = (pixel) => xOf(range(), svg.clientWidth).invert(pixel);
    svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      const from = pointerIn(svg, event).x, at = toTime(from), zoomed = view[1] - view[0] < whole()[1] - whole()[0];
      drag = { from, moving: svg === strip && zoomed && view[0] <= at && at <= view[1] ? [...view] : null };
      svg.setPointerCapture(event.pointerId);
      unhover();
    });
    svg.addEventListener("pointermove", (event) => {
      if (!drag || svg === main) return;
      if (!drag.moving) return drawBrush(svg, event);
      const by = toTime(pointerIn(svg, event).x) - toTime(drag.from);
      show(drag.moving[0] + by, drag.moving[1] + by);
    });
    svg.addEventListener("pointerup", (event) => {
      if (!drag) return;
      const { from, moving } = drag, to = pointerIn(svg, event).x;
      drag = null;
      if (moving) return;
      if (Math.abs(to - from) < DRAG_MIN) return draw();
      show(Math.min(toTime(from), toTime(to)), Math.max(toTime(from), toTime(to)));
    });
    svg.addEventListener("pointercancel", () => { drag = null; draw(); });
    svg.addEventListener("dblclick", () => show(...whole()));
  }

  function fillEvents() {
    const rows = outcomes.map((event, i) => `<tr><th scope="row">${escapeText(event.kind.replaceAll("_", " "))}</th><td>${timeText(event.start_ms)}</td>`
      + `<td class="n">${durationText(event.end_ms - event.start_ms + trace.interval_ms)}</td><td>${event.delay === null ? '<span class="missed">missed</span>' : "caught"}</td>`
      + `<td class="n">${event.delay ?? "–"}</td><td><button type="button" data-event="${i}" aria-label="Show ${escapeText(event.kind)} at ${timeText(event.start_ms)}">show</button></td></tr>`);
    const table = byId("series-events");
    table.querySelector("tbody").innerHTML = rows.join("");
    table.parentElement.hidden = rows.length === 0;
    byId("event-previous").disabled = byId("event-next").disabled = rows.length === 0;
  }

  const KEYS = { ArrowLeft: () => pan(-0.2), ArrowRight: () => pan(0.2), "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), Home: () => show(...whole()) };
  main.addEventListener("keydown", (event) => {
    if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  main.addEventListener("pointerleave", unhover);
  choice.addEventListener("change", choose);
  full.addEventListener("change", () => draw());
  byId("view-all").addEventListener("click", () => show(...whole()));
  byId("event-previous").addEventListener("click", () => stepEvent(-1));
  byId("event-next").addEventListener("click", () => stepEvent(1));
  byId("series-events").addEventListener("click", (event) => {
    const i = event.target.dataset.event;
    if (i !== undefined) { showEvent(trace.events[i]); figure.scrollIntoView({ block: "nearest" }); }
  });

  fillChoice();
  brushOn(main, () => view);
  brushOn(strip, whole);
  choose();
  drawWithWidth(main, draw);
}
