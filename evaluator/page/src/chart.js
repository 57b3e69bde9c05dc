// Shared by all charts: the embedded data, texts of numbers and times, and uPlot with the colors of the page.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escapeText = (text) => String(text).replace(/[&<>"']/g, (c) => ESCAPES[c]);

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const timeText = (at) => new Date(at).toISOString().slice(0, at % MINUTE ? 19 : 16).replace("T", " ");

// A number with that many significant digits; large and small numbers with an exponent.
function numberText(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value), whole = size >= 1 ? Math.floor(Math.log10(size)) + 1 : 1;
  if (whole > Math.max(digits, 6) || (size > 0 && size < 1e-3)) return value.toExponential(digits - 1).replace(/\.?0*e\+?/, "e");
  const text = value.toLocaleString("en", { maximumSignificantDigits: clamp(whole, digits, 15) });
  return text.replaceAll(",", "\u202f");
}

const percentText = (share) => (share === null ? "–" : `${numberText(100 * share, 3)}\u00a0%`);

function durationText(ms) {
  const units = [["d", DAY], ["h", HOUR], ["min", MINUTE], ["s", SECOND]];
  const i = units.findIndex(([, size]) => ms >= size);
  if (i < 0) return `${ms} ms`;
  const [[name, size], finer] = [units[i], units[i + 1]];
  const rest = finer ? Math.floor((ms % size) / finer[1]) : 0;
  return `${Math.floor(ms / size)} ${name}${rest ? ` ${rest} ${finer[0]}` : ""}`;
}

// A color of the style sheet, so that charts follow the light and the dark scheme.
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);

// Dashes distinguish curves for readers who cannot distinguish their colors.
const DASHES = { d0: [], d1: [7, 4], d2: [2, 3], d3: [9, 3, 2, 3], d4: [4, 2], d5: [12, 4], gray: [1, 5] };
const line = (label, name) => ({ label, stroke: () => color(name), dash: DASHES[name], width: 2, points: { show: false } });

const axis = (options) => ({
  stroke: () => color("subdued"), font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif", labelSize: 18,
  grid: { stroke: () => color("rule"), width: 1 }, ticks: { show: false }, ...options,
});
const shareAxis = (options) => axis({ values: (u, all) => all.map((share) => `${Math.round(100 * share)} %`), size: 52, ...options });

// The uPlot of each element, as wide as the element; another chart replaces it.
const charts = new Map();
const resizes = new ResizeObserver((entries) => requestAnimationFrame(() => entries.forEach(({ target }) => {
  const chart = charts.get(target);
  if (chart && target.clientWidth > 0) chart.setSize({ width: target.clientWidth, height: chart.height });
})));
function plot(element, label, options, columns) {
  unplot(element);
  if (label) {
    element.setAttribute("role", "img");
    element.setAttribute("aria-label", label);
  }
  const chart = new uPlot({ width: Math.max(element.clientWidth, 200), legend: { live: false }, ...options }, columns, element);
  charts.set(element, chart);
  resizes.observe(element);
  return chart;
}

function unplot(element) {
  charts.get(element)?.destroy();
  charts.delete(element);
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach((chart) => chart.redraw(false, true)));

// Shows [name, value] pairs beside a position of a chart; hides the tooltip without pairs.
function showTooltip(chart, left, title, pairs) {
  const tip = chart.tip ??= chart.over.appendChild(Object.assign(document.createElement("div"), { className: "tooltip" }));
  tip.hidden = !pairs;
  if (!pairs) return;
  const rows = pairs.map(([name, value]) => `<dt>${escapeText(name)}</dt><dd>${escapeText(value)}</dd>`).join("");
  tip.innerHTML = `<b>${escapeText(title)}</b><dl>${rows}</dl>`;
  const width = chart.over.clientWidth, at = left + 16 + tip.offsetWidth > width ? left - 16 - tip.offsetWidth : left + 16;
  tip.style.left = `${clamp(at, 0, Math.max(0, width - tip.offsetWidth))}px`;
}

// Print all sections that are folded on the screen.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((fold) => { fold.open = true; }));
