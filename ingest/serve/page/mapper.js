/* mapper.js: one mapper of the list: what matters in a line, the rest when it is opened. */

import * as actions from "./actions.js";
import { drawChart, newChart } from "./chart.js";
import { attr, button, el, text } from "./dom.js";
import { count, duration, isPast, quoted, showTime } from "./format.js";
import { Details } from "./details.js";
import { loadOne, runsOf } from "./history.js";
import { icon, showIcon } from "./icons.js";
import { newest } from "./live.js";
import { outcome, rank, standing } from "./model.js";
import { Progress } from "./progress.js";

const SLOTS = 24; // bars of the small chart
const ACTIVITIES = { idle: "Idle", waiting: "Waiting", running: "Running", paused: "Paused" };
let made = 0;

export class Mapper {
  constructor(name) {
    this.name = name;
    this.uid = `m${++made}`;
    this.sign = icon("never");
    this.toggle = el("button", { type: "button", class: "toggle", id: `${this.uid}-name`, dir: "auto",
      "aria-expanded": "false", "aria-controls": `${this.uid}-details`, title: name,
      click: () => this.open(this.details.node.hidden) }, name);
    this.doing = el("span", { "data-fact": "activity" });
    this.source = el("bdi", { "data-fact": "source" });
    this.chart = newChart(SLOTS);
    this.progress = new Progress(name);
    this.details = new Details(name, this.uid, (options) => this.start(options));
    this.run = button("Run", `Run ${quoted(name)}`, () => this.start());
    this.hold = button("Pause", "", () => actions.pause(name, this.m.activity !== "paused"));
    this.node = el("li", { "data-mapper": name },
      el("article", { "aria-labelledby": `${this.uid}-name` }, this.line(), this.details.node));
  }

  line() {
    this.last = el("dd");
    this.lastWord = el("span", { "data-fact": "outcome" });
    this.lastTime = el("time", { "data-fact": "last" });
    this.last.append(this.lastWord, " ", this.lastTime);
    this.next = el("time", { "data-fact": "next" });
    this.facts = Object.fromEntries(["lag", "records", "rejects"].map((name) =>
      [name, el("data", { "data-fact": name })]));
    const fact = (title, value) => el("div", {}, el("dt", {}, title), value);
    return el("div", { class: "line" }, this.sign,
      el("div", { class: "who" }, el("h3", {}, this.toggle),
        el("p", { class: "quiet" }, this.doing, " · ", this.source)),
      el("div", { class: "picture" }, this.chart, this.progress.node),
      el("dl", { class: "facts" }, fact("Last run", this.last),
        fact("Next", el("dd", {}, this.next)), fact("Lag", el("dd", {}, this.facts.lag)),
        fact("Records", el("dd", {}, this.facts.records)),
        fact("Rejects", el("dd", {}, this.facts.rejects))),
      el("div", { class: "acts" }, this.run, this.hold));
  }

  async start(options) {
    const before = this.m.last_run?.started ?? "none";
    if (await actions.run(this.name, options)) this.awaited = before;
  }

  open(whether) {
    this.details.node.hidden = !whether;
    attr(this.toggle, "aria-expanded", String(whether));
    if (!whether) return;
    this.refresh();
    loadOne(this.name).then(() => this.draw(), () => {});
  }

  /** Returns: the outcome of a run that was started here and has ended, once. */
  update(m) {
    this.m = m;
    this.refresh();
    if (!this.awaited || m.activity === "running" || this.awaited === (m.last_run?.started ?? "none"))
      return null;
    this.awaited = null;
    return m.last_run;
  }

  refresh() {
    const m = this.m, run = newest(m.run), sign = standing(m);
    showIcon(this.sign, sign.icon, sign.tone);
    attr(this.node, "class", ["bad", "warn"][rank(m)]);
    text(this.doing, (ACTIVITIES[m.activity] ?? m.activity)
      + (m.activity === "waiting" && m.waiting_for ? ` for ${m.waiting_for}` : ""));
    text(this.source, m.source);
    this.showFacts(m);
    this.chart.style.display = run ? "none" : "";
    this.progress.node.hidden = !run;
    if (run) this.progress.update(run);
    attr(this.run, "aria-disabled", m.activity === "running" ? "true" : null);
    const hold = m.activity === "paused" ? "Resume" : "Pause";
    text(this.hold, hold);
    attr(this.hold, "aria-label", `${hold} ${quoted(this.name)}`);
    if (!this.details.node.hidden) this.details.update(m, run);
    this.draw();
  }

  showFacts(m) {
    const { word, tone } = outcome(m.last_run?.outcome);
    attr(this.lastWord, "class", tone);
    text(this.lastWord, word);
    showTime(this.lastTime, m.last_run?.started);
    showTime(this.next, m.next_run);
    if (!m.next_run) text(this.next, m.activity === "paused" ? "paused" : "–");
    else if (isPast(m.next_run)) text(this.next, "due");
    this.figure("lag", m.lag_seconds, m.lag_seconds == null ? "never fresh" : duration(m.lag_seconds));
    this.figure("records", m.records, count(m.records));
    this.figure("rejects", m.rejects, m.rejects == null ? "unknown" : count(m.rejects));
    attr(this.facts.rejects, "class", m.rejects ? "warn" : null);
  }

  figure(name, value, words) {
    attr(this.facts[name], "value", value ?? "");
    text(this.facts[name], words);
  }

  draw() {
    drawChart(this.chart, runsOf(this.name), SLOTS);
    if (!this.details.node.hidden) this.details.draw();
  }
}
