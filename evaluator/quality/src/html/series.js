// The series chart: value, band, alarms and labeled anomalies, with zoom, an overview and a tooltip.
{
  const element = byId("series-chart"), choice = byId("series-choice"), full = byId("scale-full");
  let trace, outcomes, chart, overview;

  // Times arrive as differences. A null breaks the line at gaps of more than three intervals.
  function decode(packed) {
    let at = packed.start_ms;
    const columns = { times: [], values: [], expected: [], lows: [], highs: [], scores: [] }, { times } = columns, index = [];
    packed.steps_ms.forEach((step, i) => {
      if (i > 0 && step > 3 * Math.max(1, packed.interval_ms)) {
        for (const name in columns) columns[name].push(name === "times" ? at + step / 2 : null);
      }
      index.push(times.length);
      for (const name in columns) columns[name].push(name === "times" ? (at += step) : packed[name][i]);
    });
    const at_index = (indices) => new Set(indices.map((i) => index[i]));
    const usual = robustRange(packed.values.filter((value) => value !== null).sort((a, b) => a - b));
    return { ...packed, ...columns, usual, right: at_index(packed.alarms_right), wrong: at_index(packed.alarms_false) };
  }

  // Samples until the first alarm of each labeled anomaly, from 1; null if it was missed.
  const eventOutcomes = () => trace.events.map((event) => {
    const inside = trace.times.flatMap((at, i) => (event.start_ms <= at && at <= event.end_ms && trace.scores[i] !== null ? [i] : []));
    const first = inside.findIndex((i) => trace.right.has(i) || trace.wrong.has(i));
    return { ...event, delay: first < 0 ? null : first + 1 };
  });

  // The chart extends this many interquartile ranges beyond the quartiles: far enough for single spikes, near enough
  // that one value of 1e15 leaves the rest readable. Values that occur more often than COMMON extend it further.
  const REACH = 12, REACH_COMMON = 40, COMMON = 0.02;
  const quantile = (sorted, share) => sorted[Math.round(share * (sorted.length - 1))];

  function robustRange(sorted) {
    if (!sorted.length) return [0, 1];
    // The quartiles of a nearly constant series are equal: use outer quantiles.
    const share = [0.25, 0.1, 0.03].find((s) => quantile(sorted, 1 - s) > quantile(sorted, s)) ?? 0.25;
    const low = quantile(sorted, share), high = quantile(sorted, 1 - share);
    const span = high - low || (Math.abs(low) || 1) / REACH;
    const bottom = Math.min(low - REACH * span, Math.max(quantile(sorted, COMMON), low - REACH_COMMON * span));
    const top = Math.max(high + REACH * span, Math.min(quantile(sorted, 1 - COMMON), high + REACH_COMMON * span));
    return [Math.max(sorted[0], bottom), Math.min(sorted.at(-1), top)];
  }

  // The range of the vertical axis for the visible times.
  function valueRange(u) {
    const [from, to] = u.series[0].idxs ?? [0, trace.times.length - 1], seen = [], edges = [];
    for (let i = from; i <= to; i++) {
      if (trace.values[i] !== null) seen.push(trace.values[i]);
      if (trace.lows[i] !== null) edges.push(trace.lows[i], trace.highs[i]);
    }
    if (!seen.length) return [0, 1];
    const ascending = (a, b) => a - b, sorted = seen.sort(ascending);
    let [low, high] = [sorted[0], sorted.at(-1)];
    if (!full.checked) {
      const own = robustRange(sorted);
      low = Math.max(low, Math.min(own[0], trace.usual[0]));
      high = Math.min(high, Math.max(own[1], trace.usual[1]));
      const span = high - low || Math.abs(high) || 1, edge = (share) => clamp(quantile(edges, share), low - span / 2, high + span / 2);
      if (edges.sort(ascending).length) [low, high] = [Math.min(low, edge(0.05)), Math.max(high, edge(0.95))];
    }
    const pad = 0.05 * (high - low) || 0.1 * Math.abs(low) || 1;
    return [low - pad, high + pad];
  }

  const x = (u, at) => clamp(u.valToPos(at, "x", true), u.bbox.left, u.bbox.left + u.bbox.width);

  // Shades labeled anomalies, with their kinds as far as there is space.
  function drawEvents(u) {
    const { ctx, bbox } = u, ratio = devicePixelRatio, half = trace.interval_ms / 2;
    let free = -Infinity;
    ctx.save();
    ctx.font = `${11 * ratio}px system-ui, sans-serif`;
    ctx.textAlign = "left";
    for (const event of trace.events.filter((e) => e.end_ms >= u.scales.x.min && e.start_ms <= u.scales.x.max)) {
      const left = x(u, event.start_ms - half), width = Math.max(2 * ratio, x(u, event.end_ms + half) - left);
      ctx.globalAlpha = 0.28;
      ctx.fillStyle = color("event");
      ctx.fillRect(left, bbox.top, width, bbox.height);
      ctx.globalAlpha = 1;
      ctx.fillStyle = color("ink");
      const text = event.kind.replaceAll("_", " ");
      if (u !== chart || left < free) continue;
      ctx.fillText(text, left, bbox.top - 5 * ratio);
      free = left + ctx.measureText(text).width + 6 * ratio;
    }
    ctx.restore();
  }

  // Alarms as dots, and values beyond the scale as triangles at the edge.
  function drawAlarms(u) {
    const { ctx, bbox } = u, ratio = devicePixelRatio, { min, max } = u.scales.y;
    ctx.save();
    ctx.lineWidth = 1.8 * ratio;
    trace.times.forEach((at, i) => {
      const value = trace.values[i], right = trace.right.has(i), alarm = right || trace.wrong.has(i);
      const beyond = value !== null && (value > max || value < min);
      if (!(alarm || beyond) || at < u.scales.x.min || at > u.scales.x.max) return;
      const left = x(u, at), top = clamp(u.valToPos(value ?? min, "y", true), bbox.top, bbox.top + bbox.height), down = value > max ? 8 : -8;
      ctx.fillStyle = right ? color("alarm") : color("card");
      ctx.strokeStyle = color("alarm");
      ctx.beginPath();
      if (beyond) {
        ctx.fillStyle = alarm ? color("alarm") : color("subdued");
        for (const [dx, dy] of [[0, 0], [5, down], [-5, down]]) ctx.lineTo(left + dx * ratio, top + dy * ratio);
      } else {
        ctx.arc(left, top, 3.4 * ratio, 0, 2 * Math.PI);
      }
      ctx.fill();
      if (alarm && !right && !beyond) ctx.stroke();
    });
    ctx.restore();
  }

  function hover(u) {
    const i = u.cursor.idx;
    if (u.cursor.left < 0 || i === null || i === undefined || trace.scores[i] === null) return showTooltip(u);
    const number = (value) => numberText(value, trace.digits), at = trace.times[i];
    const label = trace.events.find((event) => event.start_ms <= at && at <= event.end_ms);
    const alarm = trace.right.has(i) ? "correct alarm" : trace.wrong.has(i) ? "false alarm" : "no alarm";
    showTooltip(u, u.valToPos(at, "x"), timeText(at), [["value", number(trace.values[i])], ["expected", number(trace.expected[i])],
      ["band", trace.lows[i] === null ? "–" : `${number(trace.lows[i])} to ${number(trace.highs[i])}`],
      ["score", numberText(trace.scores[i], 3)], ["verdict", alarm], ...(label ? [["label", label.kind.replaceAll("_", " ")]] : [])]);
  }

  const columns = () => [trace.times, trace.values, trace.highs, trace.lows];
  const edge = { label: "band", stroke: "transparent", width: 0, points: { show: false } };
  const utc = (at) => uPlot.tzDate(new Date(at * 1), "Etc/UTC");
  const tickText = (at) => (at % DAY === 0 ? new Date(at).toLocaleDateString("en", { timeZone: "UTC", day: "numeric", month: "short" })
    : new Date(at).toISOString().slice(11, at % MINUTE ? 19 : 16));
  const whole = () => [trace.times[0], Math.max(trace.times.at(-1), trace.times[0] + 1)];
  const nameOf = (packed) => `${packed.series} — ${data.detectors[packed.detector].name}`;

  function describe() {
    const caught = outcomes.filter((event) => event.delay !== null).length;
    return `${nameOf(trace)}: ${trace.steps_ms.length} samples from ${timeText(whole()[0])} to ${timeText(Math.round(whole()[1]))} UTC, `
      + `${trace.right.size + trace.wrong.size} alarms, ${trace.wrong.size} of them outside anomalies; ${outcomes.length} labeled anomalies, ${caught} caught.`;
  }

  function create() {
    const value = (width, name) => ({ label: "value", stroke: () => color(name), width, points: { show: false } });
    const common = { ms: 1, tzDate: utc, legend: { show: false } };
    chart = plot(element, describe(), {
      ...common, height: 360, padding: [20, 12, 0, 0],
      scales: { y: { range: valueRange } },
      series: [{}, value(1.2, "line"), edge, edge],
      bands: [{ series: [2, 3], fill: () => color("band") }],
      axes: [axis({ size: 32, values: (u, all) => all.map(tickText) }), axis({ size: (u, values) => 20 + 7 * Math.max(4, ...(values ?? []).map((text) => text.length)), values: (u, all) => all.map((at) => numberText(at, trace.digits)) })],
      cursor: { y: false, points: { size: 12 } },
      hooks: { drawAxes: [drawEvents], draw: [drawAlarms], setCursor: [hover], setScale: [(u, key) => key === "x" && shade()] },
    }, columns());
    overview = plot(byId("series-overview"), "", {
      ...common, height: 46, padding: [2, 12, 2, 0], scales: { y: { range: valueRange } },
      series: [{}, value(1, "subdued")], axes: [{ show: false }, { show: false }],
      cursor: { x: false, y: false, points: { show: false }, drag: { setScale: false, x: true } },
      hooks: { drawAxes: [drawEvents], setSelect: [(u) => u.select.width > 0 && show(u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x"))] },
    }, [trace.times, trace.values]);
    shade();
  }

  // Marks the visible part in the overview.
  function shade() {
    if (!overview || !chart) return;
    const { min, max } = chart.scales.x, left = overview.valToPos(min, "x"), width = overview.valToPos(max, "x") - left;
    overview.setSelect({ left, width, top: 0, height: overview.over.clientHeight }, false);
  }

  // Shows a range of times, of at least four samples and inside the series.
  function show(from, to) {
    const [first, last] = whole(), length = clamp(to - from, Math.min(4 * trace.interval_ms, last - first), last - first);
    const min = clamp((from + to - length) / 2, first, last - length);
    chart.setScale("x", { min, max: min + length });
  }

  function move(by, factor) {
    const { min, max } = chart.scales.x, middle = (min + max) / 2 + by * (max - min), half = (factor * (max - min)) / 2;
    show(middle - half, middle + half);
  }

  function showEvent(event) {
    const around = Math.max(3 * (event.end_ms - event.start_ms), 60 * trace.interval_ms);
    show(event.start_ms - around, event.end_ms + around);
  }

  function stepEvent(direction) {
    const { min, max } = chart.scales.x, [first, last] = whole(), isWhole = max - min >= last - first;
    const sorted = direction > 0 ? trace.events : [...trace.events].reverse(), center = (event) => (event.start_ms + event.end_ms) / 2;
    showEvent(sorted.find((event) => isWhole || direction * (center(event) - (min + max) / 2) > trace.interval_ms) ?? sorted[0]);
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

  function choose() {
    const before = trace, shown = chart && { ...chart.scales.x };
    trace = decode(data.traces[choice.value]);
    outcomes = eventOutcomes();
    chart = overview = null;
    fillEvents();
    create();
    // Another detector of the same series keeps the visible times.
    if (before && before.scenario === trace.scenario && before.series === trace.series) show(shown.min, shown.max);
  }

  const scenarios = new Map();
  data.traces.forEach((packed, i) => scenarios.set(packed.scenario, [...(scenarios.get(packed.scenario) ?? []), [packed, i]]));
  choice.innerHTML = [...scenarios].map(([scenario, members]) => `<optgroup label="${escapeText(scenario)}">${
    members.map(([packed, i]) => `<option value="${i}">${escapeText(nameOf(packed))}</option>`).join("")}</optgroup>`).join("");
  choice.value = data.opening[1];
  const KEYS = { ArrowLeft: () => move(-0.2, 1), ArrowRight: () => move(0.2, 1), "+": () => move(0, 0.5), "=": () => move(0, 0.5), "-": () => move(0, 2), Home: () => show(...whole()) };
  element.addEventListener("keydown", (event) => {
    if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  choice.addEventListener("change", choose);
  full.addEventListener("change", () => [chart, overview].forEach((u) => u.redraw(true, true)));
  byId("view-all").addEventListener("click", () => show(...whole()));
  byId("event-previous").addEventListener("click", () => stepEvent(-1));
  byId("event-next").addEventListener("click", () => stepEvent(1));
  byId("series-events").addEventListener("click", (event) => {
    const i = event.target.dataset.event;
    if (i !== undefined) { showEvent(trace.events[i]); element.scrollIntoView({ block: "nearest" }); }
  });
  choose();
}
