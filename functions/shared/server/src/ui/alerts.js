// The alerts of the overview: those that fire first, with what their receivers got.
//
// Functions of app.js that it uses are defined once the page is loaded.
"use strict";

const ALERTS_SHOWN = 20;

// What a receiver got of an alert.
function delivered(name, delivery, alert) {
  const isMissing = delivery.revision < alert.revision;
  const text = delivery.given_up ? `${name}: given up`
    : delivery.failures ? `${name}: ${delivery.failures} failures`
      : isMissing ? `${name}: on its way` : name;
  return element("span", { className: delivery.given_up || delivery.failures ? "label problem" : "label" }, text);
}

// The card of all alerts; none in a deployment without receivers.
function alertsCard({ notifies, alerts, truncated }) {
  if (!notifies && !alerts.length) return null;
  const rows = alerts.slice(0, ALERTS_SHOWN).map((alert) => ({
    open: open(alert),
    cells: [
      state(alert.phase), alert.severity,
      element("span", {}, seriesLink(alert), " ", labels(alert.labels)),
      number(alert.value), number(alert.expected), ago(alert.starts_at),
      element("span", {}, Object.entries(alert.deliveries).map(([name, delivery]) => delivered(name, delivery, alert))),
    ],
  }));
  const titles = [["alert"], ["severity", "wide"], ["series"], ["value", "number"], ["expected", "number wide"],
    ["began", "wide"], ["sent to", "wide"]];
  const n_more = alerts.length - rows.length;
  const more = n_more > 0 || truncated
    ? element("p", { className: "faint" }, `${n_more.toLocaleString()}${truncated ? " or more" : ""} others are not shown.`) : null;
  return card("Alerts", rows.length
    ? table(titles, rows) : element("p", { className: "faint" }, "No alert fires, and none was resolved in the last hours."), more);
}
