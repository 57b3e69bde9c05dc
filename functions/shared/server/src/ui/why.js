// The explanation of a sample, and buttons to answer to its verdict.
//
// Made once for a series, so that a poll changes neither texts that stay the same nor the focus. Functions of app.js that
// it uses are defined once the page is loaded.
"use strict";

const ANSWERS = { false_alarm: "False alarm", right: "Right", missed: "Missed here" };
const STORED = { false_alarm: "Stored as a false alarm.", right: "Stored as right.", missed: "Stored as missed." };

// A text whose parts in backticks are code.
const withCode = (text) => text.split("`").map((part, i) => i % 2 ? element("code", {}, part) : part);

// Makes the card of a series; `changed` is called after an answer.
function makeWhy(into, query, changed) {
  const name = query.toString();
  const title = element("h2", {}, "Why");
  const sentences = element("ul", { className: "sentences" });
  const status = element("p", { role: "status", className: "faint" });
  const buttons = Object.fromEntries(Object.entries(ANSWERS).map(([verdict, text]) =>
    [verdict, element("button", { type: "button", title: `Key: ${text[0].toLowerCase()}`, onclick: () => give(verdict) }, text)]));
  const undo = element("button", { type: "button", title: "Key: u", onclick: () => take() }, "Undo the answer");
  const row = element("div", { className: "row answers" }, element("span", { className: "faint" }, "Was that so?"), Object.values(buttons), undo);
  into.replaceChildren(title, sentences, row, status);
  let sample = null, episode = null, shown = null;
  const at = () => Math.round(sample.timestamp * 1000);

  async function load() {
    const asked = sample;
    try {
      const answer = await ask(`explain?${name}&timestamp=${at()}`);
      if (asked.timestamp !== sample.timestamp) return;
      sentences.replaceChildren(...answer.sentences.map((text) => element("li", {}, withCode(text))));
      const isAnomaly = ["anomaly", "maintenance"].includes(answer.sample.verdict);
      const given = answer.feedback.at(-1)?.verdict;
      for (const [verdict, button] of Object.entries(buttons)) {
        button.hidden = isAnomaly === (verdict === "missed");
        button.setAttribute("aria-pressed", given === verdict);
      }
      undo.hidden = !given;
      row.hidden = false;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      sentences.replaceChildren(element("li", {}, error.message));
      row.hidden = true;
    }
  }

  async function change(work, done) {
    try {
      await work();
      status.className = "faint";
      status.textContent = done;
      await load();
      changed();
    } catch (error) {
      status.className = "problem";
      status.textContent = error instanceof Problem ? error.message : "No answer; try again.";
    }
  }

  function give(verdict) {
    const [source, metric] = [query.get("source") ?? undefined, query.get("metric")];
    const labels = Object.fromEntries(query.getAll("label").map((label) => {
      const [label_name, value] = label.split(/=(.*)/s);
      return [decodeURIComponent(label_name), value];
    }));
    // An episode that is over has fixed times; of an open one only the sample is meant.
    const isWhole = episode && verdict !== "missed";
    const times = isWhole ? { start: Math.round(episode.start * 1000), end: Math.round(episode.end * 1000) } : { timestamp: at() };
    const body = { source, metric, labels, ...times, verdict };
    return change(() => ask("feedback", { method: "POST", body }), STORED[verdict]);
  }

  function take() {
    return change(() => ask(`feedback?${name}&timestamp=${at()}`, { method: "DELETE" }), "The answer is removed.");
  }

  return {
    // Shows the explanation of a sample, if it or its verdict is another one than before.
    update(newSample, isChosen, episodes) {
      if (!newSample) return;
      const key = `${newSample.timestamp} ${newSample.verdict} ${isChosen}`;
      sample = newSample;
      episode = episodes.find((other) => other.state === "over" && other.start <= sample.timestamp && sample.timestamp <= other.end);
      if (key === shown) return;
      shown = key;
      title.textContent = isChosen ? `Why, at ${time(sample.timestamp)}` : "Why, for the newest sample";
      status.textContent = "";
      load();
    },
    // Answers by the first letter of a button.
    press(letter) {
      const button = [...Object.values(buttons), undo].find((other) => other.textContent[0].toLowerCase() === letter);
      if (button && !button.hidden && !row.hidden) button.click();
    },
  };
}
