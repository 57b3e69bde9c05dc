// The page `/ui`: worst series, all series, and one series with its samples, episodes and configuration.
//
// State is in the fragment of the address, so that every view can be linked to. All text from the API becomes text nodes.
"use strict";

const POLL_MS = 5000;
const SEARCH_PAGES_MAX = 10;
const view = document.getElementById("view");
const search = document.getElementById("search");
const connection = document.getElementById("connection");
const keyDialog = document.getElementById("key");
const keyInput = document.getElementById("key-input");
const base = location.pathname.replace(/ui\/?$/, "");

// ---- Elements ----

function element(tag, properties, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

const card = (title, ...children) => element("section", { className: "card" }, title && element("h2", {}, title), ...children);
const state = (name) => element("span", { className: `state ${name}` }, name);
const labels = (all) => Object.entries(all).map(([name, value]) => element("span", { className: "label" }, `${name}=${value}`));

function table(titles, rows) {
  const head = titles.map(([title, kind]) => element("th", { className: kind ?? "", scope: "col" }, title));
  const cells = (row) => row.cells.map((cell, i) => element("td", { className: titles[i][1] ?? "" }, cell ?? "–"));
  const body = rows.map((row) => {
    const open = row.open && { className: "link", onclick: (event) => event.target.closest("a") || row.open() };
    return element("tr", open ?? {}, cells(row));
  });
  const made = element("table", {}, element("thead", {}, element("tr", {}, head)), element("tbody", {}, body));
  return element("div", { className: "scroll" }, made);
}

const details = (pairs) =>
  element("dl", {}, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));

// ---- Texts ----

function number(value) {
  if (value === null || value === undefined) return null;
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e9 || size < 1e-3)) return value.toExponential(3);
  return value.toLocaleString(undefined, { maximumSignificantDigits: 5 });
}

const time = (ms) => new Date(ms).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });

function duration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  for (const [unit, name] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (seconds >= unit) return `${Math.round(seconds / unit)} ${name}`;
  }
  return `${seconds} s`;
}

const ago = (ms) => element("span", { title: time(ms) }, `${duration(Date.now() - ms)} ago`);
// The number that was judged: of a counter the rate, of a histogram the mean, which its first sample does not have.
const judged = (sample) => sample.rate ?? sample.mean ?? sample.value;
const range = (band) => band && `${number(band[0])} to ${number(band[1])}`;

// ---- The API ----

class Problem extends Error {}

// The last answer of each path, which is not sent again while it is the same.
const answers = new Map();
const ANSWERS_MAX = 50;

// Asks the API, after asking for a key if it wants one.
async function ask(path, { method = "GET", body } = {}) {
  const headers = {};
  const key = sessionStorage.getItem("key");
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body) headers["Content-Type"] = "application/json";
  const last = method === "GET" ? answers.get(path) : null;
  if (last) headers["If-None-Match"] = last.tag;
  const response = await fetch(base + path, { method, headers, body: body && JSON.stringify(body) });
  if (response.status === 304) return last.data;
  if (response.status === 401) {
    await askKey(key ? "The key was refused." : "");
    return ask(path, { method, body });
  }
  const text = await response.text();
  const data = text && JSON.parse(text);
  if (!response.ok) throw new Problem(data?.detail ?? `${response.status} ${response.statusText}`);
  const tag = response.headers.get("ETag");
  if (method === "GET" && tag) {
    if (answers.size >= ANSWERS_MAX) answers.clear();
    answers.set(path, { tag, data });
  }
  return data;
}

let keyAsked = null;
function askKey(problem) {
  keyAsked ??= new Promise((resolve) => {
    document.getElementById("key-problem").textContent = problem;
    keyInput.value = "";
    keyDialog.showModal();
    keyDialog.addEventListener("close", () => {
      sessionStorage.setItem("key", keyInput.value.trim());
      keyAsked = null;
      resolve();
    }, { once: true });
  });
  return keyAsked;
}
keyDialog.addEventListener("cancel", (event) => event.preventDefault());

function nameQuery(series) {
  const query = new URLSearchParams();
  if (series.source) query.set("source", series.source);
  query.set("metric", series.metric);
  for (const [name, value] of Object.entries(series.labels ?? {})) query.append("label", `${encodeURIComponent(name)}=${value}`);
  return query;
}

const linkTo = (series) => `#series?${nameQuery(series)}`;
const seriesName = (series) => [series.source, series.metric].filter(Boolean).join(" / ");
const seriesLink = (series) => element("a", { href: linkTo(series) }, seriesName(series));
const open = (series) => () => { location.hash = linkTo(series); };

// ---- Overview ----

function stateOf(item) {
  if (item.episode?.state === "silent") return "silent";
  return item.last?.verdict ?? "learning";
}

async function overview(isCurrent) {
  const text = search.value.trim();
  const [summary, listed, alerts] = await Promise.all([
    ask("analyze"), text ? found(text.toLowerCase()) : ask("series?limit=100"), ask("alerts"),
  ]);
  if (!isCurrent()) return;
  if (summary.series_count === 0) return show(empty());
  const tile = (value, text) => element("div", { className: "card tile" }, element("b", {}, value), element("span", {}, text));
  const tiles = element("div", { className: "tiles" },
    tile(summary.series_count.toLocaleString(), "series"),
    tile(summary.anomalous_count.toLocaleString(), "with anomalies"),
    tile(summary.worst.filter((item) => item.episode && item.episode.state !== "over").length.toLocaleString(), "in an episode now"),
    tile(summary.pending_count.toLocaleString(), "with samples to judge"));
  const worst = summary.worst.map((item) => ({
    open: open(item),
    cells: [
      state(stateOf(item)),
      element("span", {}, seriesLink(item), " ", labels(item.labels)),
      number(item.last && judged(item.last)), number(item.last?.expected),
      item.anomaly_count.toLocaleString(),
      item.episode && element("span", {}, `${item.episode.state}, `, ago(item.episode.start)),
      item.last && ago(item.last.timestamp),
    ],
  }));
  const titles = [["now"], ["series"], ["value", "number"], ["expected", "number wide"], ["anomalies", "number wide"],
    ["episode", "wide"], ["newest sample", "wide"]];
  const all = listed.series.map((item) => ({
    open: open(item), cells: [element("span", {}, seriesLink(item), " ", labels(item.labels)), ago(item.received)],
  }));
  const isSearch = text !== "";
  const more = listed.next && element("p", { className: "faint" },
    isSearch ? "There are more; search for a longer text." : "These 100 sent least recently; search for others.");
  show(
    tiles,
    isSearch ? null : alertsCard(alerts),
    isSearch ? null : card("Most and newest anomalies", worst.length
      ? table(titles, worst) : element("p", { className: "faint" }, "No series has had an anomaly.")),
    card(isSearch ? `Series with “${text}”` : "All series", all.length
      ? table([["series"], ["received", "number"]], all) : element("p", { className: "faint" }, "None."), more));
}

// The last search: it reads many pages, so a poll repeats it only after half a minute.
const lastSearch = { text: null, at: 0, result: null };
const SEARCH_AGE_MS = 30000;

// Series whose name has the text, of the first pages.
async function found(text) {
  if (lastSearch.text === text && Date.now() - lastSearch.at < SEARCH_AGE_MS) return lastSearch.result;
  const series = [];
  let cursor = null;
  for (let page = 0; page < SEARCH_PAGES_MAX; page++) {
    const answer = await ask(`series?limit=1000${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    const has = (item) => `${seriesName(item)} ${Object.entries(item.labels).map((pair) => pair.join("=")).join(" ")}`.toLowerCase().includes(text);
    series.push(...answer.series.filter(has));
    cursor = answer.next;
    if (!cursor || series.length > 100) break;
  }
  const result = { series: series.slice(0, 100), next: cursor || series.length > 100 };
  Object.assign(lastSearch, { text, at: Date.now(), result });
  return result;
}

function empty() {
  const line = `curl '${location.origin}${base}ingest?verdicts=all' -d '{"source":"checkout","metric":"rps","value":812.5}'`;
  return card("No series yet",
    element("p", {}, "Send a first sample; it appears here by itself:"),
    element("pre", {}, line),
    element("p", { className: "faint" }, "If senders use another address, replace this one. With API keys add ",
      element("code", {}, "-H 'Authorization: Bearer KEY'"), "."));
}

// ---- One series ----

let chart = null; // the chart of the series shown, kept between polls so that zoom and choice stay
let why = null; // the explanation of the chosen sample
let chosen = null; // time of the sample whose verdict is shown

async function one(query, isCurrent) {
  const name = query.toString();
  const [series, stored, past, config] = await Promise.all([
    ask(`analyze?${name}`), ask(`series/samples?${name}`), ask(`episodes?${name}`), ask(`series/config?${name}`),
  ]);
  if (!isCurrent()) return;
  const episodes = past.episodes;
  if (!document.getElementById("series")) {
    chosen = null;
    show(element("div", { id: "series" }), element("section", { className: "card", id: "chart" }),
      element("section", { className: "card", id: "why" }),
      element("div", { className: "columns", id: "columns" }), element("div", { id: "episodes" }), settings(query, config));
    chart = makeChart(document.getElementById("chart"), { chosen: () => chosen, choose });
    why = makeWhy(document.getElementById("why"), query, refresh);
  }
  document.title = `${seriesName(series)} – Tidemark`;
  const now = series.silent_since ? "silent" : series.last?.verdict ?? "learning";
  document.getElementById("series").replaceChildren(
    element("div", { className: "row" }, element("h1", {}, seriesName(series)), labels(series.labels), state(now)),
    element("p", {}, series.silent_since
      ? element("span", {}, "No sample since ", ago(series.silent_since), ".") : series.last?.reason ?? ""));
  chart.update(stored.samples, episodes);
  showColumns(series, stored.samples, episodes);
}

function showColumns(series, samples, episodes) {
  const sample = samples.find((item) => item.timestamp === chosen) ?? series.last ?? samples.at(-1);
  const isChosen = sample && sample.timestamp === chosen;
  why.update(sample, isChosen, episodes);
  const verdict = card(isChosen ? "Chosen sample" : "Newest sample", sample ? details([
    ["time", time(sample.timestamp)], ["value", number(sample.value)], ["rate a second", number(sample.rate)], ["mean", number(sample.mean)], ["verdict", state(sample.verdict ?? "normal")],
    ["expected", number(sample.expected)], ["usual range", range(sample.band)], ["signal", sample.signal],
    ["score", number(sample.score)], ["arrived", sample.late ? "late" : null], ["why", sample.reason],
  ]) : "None.");
  const { window: statistics, learning } = series;
  const normal = card("What is usual", statistics && details([
    ["detector", series.detector + (series.own_detector ? " (own)" : "")],
    ["median", number(statistics.p50)], ["mean", number(statistics.mean)], ["least, most", `${number(statistics.min)}, ${number(statistics.max)}`],
    ["95th percentile", number(statistics.p95)], ["samples", series.judged_count.toLocaleString()],
    ["of them late", series.late_count ? series.late_count.toLocaleString() : null], ["anomalies", series.anomaly_count.toLocaleString()],
  ]), learning.ready ? null : element("p", {}, `Learning: ${learning.seen} of ${learning.needed} samples`,
    element("progress", { max: learning.needed, value: learning.seen }, "")));
  const rows = episodes.slice(0, 20).map((episode) => ({
    open: () => choose(episode.peak?.timestamp),
    cells: [state(episode.state), time(episode.start), duration(episode.end - episode.start), episode.samples.toLocaleString(),
      episode.peak && element("button", { type: "button", onclick: () => choose(episode.peak.timestamp), title: episode.peak.reason }, number(episode.peak.value))],
  }));
  const list = card("Episodes", rows.length
    ? table([["state"], ["start"], ["length", "number"], ["samples", "number wide"], ["peak", "number"]], rows)
    : element("p", { className: "faint" }, "None."));
  document.getElementById("columns").replaceChildren(verdict, normal);
  document.getElementById("episodes").replaceChildren(list);
}

function choose(timestamp) {
  if (!timestamp) return;
  chosen = timestamp;
  refresh();
}

function settings(query, config) {
  const name = query.toString();
  const detector = element("input", { value: config.own_detector ? config.detector : "", placeholder: config.detector, spellcheck: false, id: "detector" });
  const policy = element("input", { value: config.alerts ?? "", placeholder: "that of the deployment", spellcheck: false, id: "policy" });
  const windows = element("div", {});
  const local = (ms) => new Date(ms - new Date(ms).getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  const addWindow = (known) => {
    const input = (title, type, value) => element("label", {}, title, element("input", { type, value, required: type !== "text" }));
    const row = element("div", { className: "window" },
      input("from", "datetime-local", local(known.from)), input("until", "datetime-local", local(known.until)),
      input("reason", "text", known.reason ?? ""),
      element("button", { type: "button", onclick: () => row.remove(), "aria-label": "Remove this window" }, "Remove"));
    windows.append(row);
  };
  config.maintenance.forEach(addWindow);
  const status = element("p", { role: "status" });
  const report = (text, isProblem) => { status.textContent = text; status.className = isProblem ? "problem" : "faint"; };
  const change = (work) => async (event) => {
    event.preventDefault();
    try {
      await work();
      report("Stored. It applies from the next sample on.", false);
      refresh();
    } catch (error) {
      report(error.message, true);
    }
  };
  const save = change(() => {
    const maintenance = [...windows.children].map((row) => {
      const [from, until, reason] = [...row.querySelectorAll("input")].map((input) => input.value);
      return { from: new Date(from).getTime(), until: new Date(until).getTime(), ...(reason && { reason }) };
    });
    // A configuration is replaced as a whole, so what has no field here is sent as it is.
    const body = { ...(detector.value.trim() && { detector: detector.value.trim() }), ...(config.kind && { kind: config.kind }),
      ...(policy.value.trim() && { alerts: policy.value.trim() }), maintenance };
    return ask(`series/config?${name}`, { method: "PUT", body });
  });
  const remove = change(async () => {
    await ask(`series/config?${name}`, { method: "DELETE" });
    detector.value = policy.value = "";
    windows.replaceChildren();
  });
  const hour = 3600000;
  const begin = () => Math.ceil(Date.now() / 60000) * 60000;
  return card("Configuration of this series",
    element("form", { onsubmit: save },
      element("label", { htmlFor: "detector" }, "Detector"), detector,
      element("p", { className: "faint" }, "Empty: that of the deployment. For example ",
        element("code", {}, "traffic:false_alarms_per_day=0.05"), " for fewer alarms, ", element("code", {}, "traffic:season=week"), "."),
      element("label", { htmlFor: "policy" }, "Alerts"), policy,
      element("p", { className: "faint" }, "For example ", element("code", {}, "direction=below,samples=3/5"), ", or ",
        element("code", {}, "off"), "."),
      element("h2", {}, "Maintenance windows"), windows,
      element("div", { className: "row" },
        element("button", { type: "button", onclick: () => addWindow({ from: begin(), until: begin() + hour }) }, "Add a window"),
        element("span", { className: "grow" }),
        element("button", { type: "button", onclick: remove }, "Reset"),
        element("button", { className: "first" }, "Save")),
      status));
}

// ---- Navigation ----

function show(...children) {
  view.replaceChildren(...children.filter(Boolean));
}

let shown = null; // fragment and search of the view shown
let turn = 0;

async function refresh() {
  const mine = ++turn;
  const isCurrent = () => mine === turn;
  const [path, query] = location.hash.slice(1).split(/\?(.*)/s);
  const place = location.hash;
  if (place !== shown) {
    shown = place;
    document.title = "Tidemark";
    show(element("p", { className: "faint" }, "Loading…"));
  }
  try {
    if (path === "series") await one(new URLSearchParams(query), isCurrent);
    else await overview(isCurrent);
    connection.textContent = "";
    connection.className = "";
  } catch (error) {
    if (!isCurrent()) return;
    if (error instanceof Problem) show(card("Not found or not possible", element("p", {}, error.message), element("p", {}, element("a", { href: "#" }, "All series"))));
    connection.textContent = error instanceof Problem ? "" : "No answer; asking again.";
    connection.className = "lost";
  }
}

addEventListener("hashchange", refresh);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart?.recolor());
let typing = null;
search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    const text = search.value.trim();
    location.hash = text ? `find?text=${encodeURIComponent(text)}` : "";
  }, 150);
});
addEventListener("keydown", (event) => {
  if (event.target.matches("input, textarea")) return;
  if (event.key === "/") { event.preventDefault(); search.focus(); }
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    if (location.hash.startsWith("#series")) chart?.step(event.key === "ArrowLeft" ? -1 : 1);
  }
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (isPlain && location.hash.startsWith("#series")) why?.press(event.key);
});
const asked = new URLSearchParams(location.hash.split("?")[1]);
if (location.hash.startsWith("#find")) search.value = asked.get("text") ?? "";
setInterval(() => document.hidden || keyAsked || refresh(), POLL_MS);
refresh();
