/* details.js: what an opened mapper shows: its last error, the run under way, the chart with its
 * figures, the rejects, and what is done seldom. */

import { drawChart, drawScale, newChart } from "./chart.js";
import { confirm } from "./dialogs.js";
import { attr, button, el, foreign, text } from "./dom.js";
import { count, duration, quoted, timeNode } from "./format.js";
import { isComplete, runsOf, SLOTS } from "./history.js";
import { changed, outcome } from "./model.js";
import { runWords } from "./progress.js";
import { Rejects } from "./rejects.js";

const COLUMNS = [["Started"], ["Why"], ["Outcome"], ["Read", "n"], ["Changed", "n"],
  ["Rejected", "n"], ["Took", "n"]];

function runRow(run) {
  const { word, tone } = outcome(run.outcome);
  const why = run.kind === "run" || !run.kind ? run.trigger : run.kind;
  return el("tr", {},
    el("td", {}, timeNode(run.started)),
    el("td", {}, (why ?? "") + (run.full ? ", full" : "")),
    el("td", { class: tone, title: run.error }, word),
    ...[count(run.read), count(changed(run)), count(run.rejected), duration(run.seconds)]
      .map((figure) => el("td", { class: "n" }, figure)));
}

export class Details {
  constructor(name, uid, start) {
    this.name = name;
    this.start = start;
    this.error = el("p", { class: "error", dir: "auto" });
    this.now = el("p", { class: "now" });
    this.about = el("dl", { class: "small" });
    this.chart = newChart(SLOTS);
    this.scale = el("div", { class: "scale", "aria-hidden": "true" });
    this.rows = el("tbody");
    this.short = el("p", { class: "quiet" }, "CouchDB did not answer: these are only the runs since "
      + "the service began.");
    this.rejects = new Rejects(name, uid);
    this.node = el("div", { class: "details", id: `${uid}-details`, hidden: true },
      this.error, this.now, this.buttons(), this.about, this.rejects.node, this.runs(uid));
  }

  buttons() {
    this.all = button("Full run", `Full run of ${quoted(this.name)}`,
      () => this.start({ full: true }));
    this.permit = button("Run, deletions permitted…",
      `Run, deletions permitted: ${quoted(this.name)}`, () => this.permitDeletes());
    return el("p", { class: "acts" }, this.all, this.permit);
  }

  async permitDeletes() {
    const held = this.withheld ? `The last run held back ${count(this.withheld)}. ` : "";
    if (await confirm("Permit all deletions in one run?", `${held}What is gone from the source is `
      + `deleted from the target of ${quoted(this.name)}, however much that is.`, "Run and delete"))
      await this.start({ allow_deletes: true });
  }

  runs(uid) {
    const legend = el("p", { class: "legend quiet" },
      el("span", { class: "key read" }, "read"), el("span", { class: "key changed" }, "changed"),
      el("span", { class: "key tick" }, "with rejects"),
      el("span", { class: "key failed" }, "failed"));
    const table = el("table", {},
      el("caption", { class: "unseen" }, `Last runs of ${quoted(this.name)}, newest first`),
      el("thead", {}, el("tr", {}, ...COLUMNS.map(([title, kind]) =>
        el("th", { scope: "col", class: kind }, title)))), this.rows);
    return el("section", { "aria-labelledby": `${uid}-name ${uid}-runs` },
      el("h4", { id: `${uid}-runs` }, "Records per run"),
      el("div", { class: "chart" }, this.scale, this.chart), legend, this.short,
      el("div", { class: "scroll", role: "region", tabindex: "0",
        "aria-label": `Table of the last runs of ${quoted(this.name)}` }, table));
  }

  facts(m) {
    const facts = [["Schedule", m.schedule ?? "none"],
      ["Last success", m.last_success ? timeNode(m.last_success) : "never"],
      ["Next full run", m.next_full ? timeNode(m.next_full) : "none"],
      ["State", m.state], ["Failures in a row", m.failures ? count(m.failures) : null]];
    this.about.replaceChildren(...facts.filter(([, value]) => value != null).map(([name, value]) =>
      el("div", {}, el("dt", {}, name),
        el("dd", {}, typeof value === "string" ? foreign(value) : value))));
  }

  update(m, run) {
    this.withheld = m.last_run?.withheld;
    this.error.hidden = !m.last_run?.error;
    text(this.error, m.last_run?.error ?? "");
    for (const act of [this.all, this.permit]) attr(act, "aria-disabled", run ? "true" : null);
    this.now.hidden = !run;
    text(this.now, run ? runWords(run) : "");
    this.permit.hidden = m.last_run?.outcome !== "refused";
    this.facts(m);
    this.draw();
    this.rejects.update(m);
  }

  draw() {
    const runs = runsOf(this.name);
    this.short.hidden = isComplete();
    const newest = `${runs.length} ${runs[0]?.id}`;
    drawScale(this.scale, drawChart(this.chart, runs, SLOTS));
    if (newest === this.newest) return;
    this.newest = newest;
    this.rows.replaceChildren(...runs.map(runRow));
  }
}
