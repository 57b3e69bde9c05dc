// What the charts need: the data, scales, ticks, texts, the tooltip. No library, no network.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escapeText = (text) => String(text).replace(/[&<>"']/g, (c) => ESCAPES[c]);

// A straight map from a domain to pixels, with its inverse.
function scale([from, to], [left, right]) {
  const slope = (right - left) / (to - from || 1);
  const map = (value) => left + (value - from) * slope;
  map.invert = (pixel) => from + (pixel - left) / slope;
  return map;
}

// About `n` round numbers between two values.
function ticks(low, high, n) {
  const raw = (high - low) / n;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw);
  const all = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) all.push(i * step || 0);
  return all;
}

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const TIME_STEPS = [SECOND, 5 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR,
  3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY, 365 * DAY];

// At most `n` round times (UTC) between two, with texts as short as their step allows.
function timeTicks(from, to, n) {
  const step = TIME_STEPS.find((s) => (to - from) / s <= n) ?? Math.ceil((to - from) / n / DAY) * DAY;
  const all = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) all.push({ at, text: timeTickText(at, step) });
  return all;
}

function timeTickText(at, step) {
  const date = new Date(at);
  if (step >= DAY || at % DAY === 0) return date.toLocaleDateString("en", { timeZone: "UTC", day: "numeric", month: "short" });
  return date.toISOString().slice(11, step >= MINUTE ? 16 : 19);
}

const timeText = (at) => new Date(at).toISOString().slice(0, at % MINUTE ? 19 : 16).replace("T", " ");

// A number with up to that many significant digits; very large and very small ones with a power of ten.
function numberText(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value), whole = size >= 1 ? Math.floor(Math.log10(size)) + 1 : 1;
  if (whole > Math.max(digits, 6) || (size > 0 && size < 1e-3)) return value.toExponential(digits - 1).replace(/\.?0*e\+?/, "e");
  const text = value.toLocaleString("en", { maximumSignificantDigits: clamp(whole, digits, 15) });
  return text.replaceAll(",", "\u202f");
}

// The digits that tell values apart which lie that far from each other.
const digitsFor = (largest, step) => clamp(Math.ceil(Math.log10(largest / step)) + 2, 2, 15);

const percentText = (share) => (share === null ? "–" : `${numberText(100 * share, 3)}\u00a0%`);

function durationText(ms) {
  const units = [["d", DAY], ["h", HOUR], ["min", MINUTE], ["s", SECOND]];
  const i = units.findIndex(([, size]) => ms >= size);
  if (i < 0) return `${ms} ms`;
  const [[name, size], finer] = [units[i], units[i + 1]];
  const rest = finer ? Math.floor((ms % size) / finer[1]) : 0;
  return `${Math.floor(ms / size)} ${name}${rest ? ` ${rest} ${finer[0]}` : ""}`;
}

// A curve differs from others by its dashes, too: colors are not seen by everyone.
const DASHES = { d0: "none", d1: "7 4", d2: "2 3", d3: "9 3 2 3", d4: "4 2", d5: "12 4", quiet: "1 5" };
const curveStyle = (color) => `--color:var(--${color});stroke-dasharray:${DASHES[color]}`;

// Fills the tooltip of a figure with [name, value] pairs, beside a place in one of its pictures and inside the figure.
function showTooltip(svg, at, y, title, pairs) {
  const figure = svg.closest("figure"), x = at + svg.getBoundingClientRect().left - figure.getBoundingClientRect().left;
  const tip = figure.querySelector(".tooltip");
  const rows = pairs.map(([name, value]) => `<dt>${escapeText(name)}</dt><dd>${escapeText(value)}</dd>`).join("");
  tip.innerHTML = `<b>${escapeText(title)}</b><dl>${rows}</dl>`;
  tip.hidden = false;
  const left = x + 16 + tip.offsetWidth > figure.clientWidth ? x - 16 - tip.offsetWidth : x + 16;
  tip.style.left = `${clamp(left, 0, Math.max(0, figure.clientWidth - tip.offsetWidth))}px`;
  tip.style.top = `${y}px`;
}

const hideTooltip = (svg) => { svg.closest("figure").querySelector(".tooltip").hidden = true; };

// The pointer's place in an element, in pixels.
function pointerIn(element, event) {
  const box = element.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

// Calls `draw` now and whenever the width of the element changes.
function drawWithWidth(element, draw) {
  let width = 0;
  const redraw = () => {
    if (element.clientWidth !== width && element.clientWidth > 0) { width = element.clientWidth; draw(); }
  };
  // In the next frame, since drawing inside the observer changes the very sizes it reports.
  new ResizeObserver(() => requestAnimationFrame(redraw)).observe(element);
}

// Paper has no fold: what is folded on the screen is printed open.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((fold) => { fold.open = true; }));
