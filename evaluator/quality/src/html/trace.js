// A trace as columns, and the questions a chart asks of it. Nothing here touches the page.

// Times arrive as differences in milliseconds; a gap is three usual intervals without a sample.
function decodeTrace(packed) {
  let at = packed.start_ms;
  const times = packed.steps_ms.map((step) => (at += step));
  const right = new Set(packed.alarms_right), wrong = new Set(packed.alarms_false);
  const usual = robustRange(packed.values.filter((value) => value !== null).sort((a, b) => a - b));
  return { ...packed, times, right, wrong, usual, gap: 3 * Math.max(1, packed.interval_ms) };
}

// The first index at or after a time.
function indexAt(trace, time) {
  let low = 0, high = trace.times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (trace.times[middle] < time) low = middle + 1; else high = middle;
  }
  return low;
}

// The indices to draw: all of them or, past two a pixel, the first, lowest, highest and last of each
// pixel column, so that a spike of one sample never vanishes.
function drawnIndices(trace, from, to, x, width) {
  const first = Math.max(0, indexAt(trace, from) - 1), end = Math.min(trace.times.length, indexAt(trace, to) + 2);
  if (end - first <= 2 * width) return Array.from({ length: end - first }, (_, i) => first + i);
  const drawn = [];
  for (let i = first; i < end;) {
    const column = Math.round(x(trace.times[i]));
    let low = i, high = i, last = i;
    for (; i < end && Math.round(x(trace.times[i])) === column; last = i++) {
      const value = trace.values[i];
      if (value === null) continue;
      if (trace.values[low] === null || value < trace.values[low]) low = i;
      if (trace.values[high] === null || value > trace.values[high]) high = i;
    }
    const start = Math.min(low, high), order = [start, Math.max(low, high), last];
    for (const index of order) if (index !== drawn.at(-1)) drawn.push(index);
  }
  return drawn;
}

// Runs of neighbours between which no gap lies and for which `has` holds.
function runs(trace, indices, has, minGap) {
  const all = [];
  let run = [];
  for (const i of indices) {
    const broken = run.length && trace.times[i] - trace.times[run.at(-1)] > Math.max(trace.gap, minGap);
    if (!has(i) || broken) { if (run.length) all.push(run); run = []; }
    if (has(i)) run.push(i);
  }
  if (run.length) all.push(run);
  return all;
}

// The band per pixel column: its lowest and highest edge there.
function bandColumns(trace, from, to, x) {
  const first = Math.max(0, indexAt(trace, from) - 1), end = Math.min(trace.times.length, indexAt(trace, to) + 2);
  const strips = [];
  let strip = null;
  for (let i = first; i < end; i++) {
    const low = trace.lows[i], high = trace.highs[i];
    if (low === null || high === null) { strip = null; continue; }
    const column = Math.round(x(trace.times[i]));
    if (!strip || (trace.times[i] - trace.times[i - 1] > trace.gap && column - strip.at(-1).column > 1)) strips.push(strip = []);
    if (strip.at(-1)?.column !== column) strip.push({ column, low, high });
    else Object.assign(strip.at(-1), { low: Math.min(low, strip.at(-1).low), high: Math.max(high, strip.at(-1).high) });
  }
  return strips;
}

// How many interquartile ranges the chart reaches beyond the quartiles: for single samples, far enough to
// show a spike beside its usual load, near enough that one value of 1e15 leaves the rest readable; for what
// happens more often than `COMMON`, as far as the rest is still to be seen.
const REACH = 12, REACH_COMMON = 40, COMMON = 0.02;

// The values between which the chart is drawn; `full` makes room for every one.
function valueRange(trace, from, to, full) {
  const seen = [], edges = [];
  for (let i = indexAt(trace, from); i < trace.times.length && trace.times[i] <= to; i++) {
    if (trace.values[i] !== null) seen.push(trace.values[i]);
    if (trace.lows[i] !== null) edges.push(trace.lows[i]);
    if (trace.highs[i] !== null) edges.push(trace.highs[i]);
  }
  if (!seen.length) return [0, 1];
  seen.sort((a, b) => a - b);
  if (full) return padded(seen[0], seen.at(-1));
  // What fits into the picture of the whole series is never off the scale of a part of it.
  const own = robustRange(seen);
  const low = Math.max(seen[0], Math.min(own[0], trace.usual[0])), high = Math.min(seen.at(-1), Math.max(own[1], trace.usual[1]));
  // The middle of the band belongs to the picture, its wildest edges do not.
  edges.sort((a, b) => a - b);
  const span = high - low || Math.abs(high) || 1;
  const edge = (share) => (edges.length ? clamp(quantile(edges, share), low - span / 2, high + span / 2) : low);
  return padded(Math.min(low, edge(0.05)), Math.max(high, edge(0.95)));
}

const quantile = (sorted, share) => sorted[Math.round(share * (sorted.length - 1))];

function robustRange(sorted) {
  if (!sorted.length) return [0, 1];
  // A series that hardly moves has equal quartiles: look further out, and give up before single samples count.
  const share = [0.25, 0.1, 0.03].find((s) => quantile(sorted, 1 - s) > quantile(sorted, s)) ?? 0.25;
  const low = quantile(sorted, share), high = quantile(sorted, 1 - share);
  const span = high - low || (Math.abs(low) || 1) / REACH;
  const bottom = Math.min(low - REACH * span, Math.max(quantile(sorted, COMMON), low - REACH_COMMON * span));
  const top = Math.max(high + REACH * span, Math.min(quantile(sorted, 1 - COMMON), high + REACH_COMMON * span));
  return [Math.max(sorted[0], bottom), Math.min(sorted.at(-1), top)];
}

function padded(low, high) {
  const pad = 0.05 * (high - low) || 0.1 * Math.abs(low) || 1;
  return [low - pad, high + pad];
}

// For each labelled anomaly the samples until its first alarm, 1 for the very first; null when missed.
function eventOutcomes(trace) {
  return trace.events.map((event) => {
    const first = indexAt(trace, event.start_ms);
    let i = first;
    while (i < trace.times.length && trace.times[i] <= event.end_ms && !trace.right.has(i) && !trace.wrong.has(i)) i++;
    const caught = i < trace.times.length && trace.times[i] <= event.end_ms;
    return { ...event, delay: caught ? i - first + 1 : null };
  });
}
