/* page.js: joins the parts: asks for the status, shows it, says what has changed. */

import * as actions from "./actions.js";
import { get } from "./api.js";
import { askToken } from "./dialogs.js";
import { attr, button, el, foreign, text } from "./dom.js";
import { absolute, clockOf, count, duration, plural, quoted } from "./format.js";
import * as history from "./history.js";
import { icon, showIcon } from "./icons.js";
import { List } from "./list.js";
import * as live from "./live.js";
import { changed, outcome, rank } from "./model.js";
import { say } from "./notices.js";
import { poll } from "./poll.js";
import * as token from "./token.js";

const CONDITIONS = { starting: ["Starting", "waiting", "busy"], ready: ["Ready", "good", "good"],
  degraded: ["Degraded", "warn", "warn"], stopping: ["Stopping", "paused", "quiet"] };

const at = (id) => document.getElementById(id);
const list = new List();
let since = null; // when the last answer came
let failing = null; // names

/* ---- the head and the foot ---- */

const sign = icon("waiting"), word = el("strong"), reason = el("span", { dir: "auto" });
at("condition").append(sign, word, reason);

function showCondition(status) {
  const known = CONDITIONS[status.condition] ?? [status.condition, "warn", "warn"];
  const name = known[0]; // with a reason it is worth a look, ready or not
  const [shape, tone] = status.condition === "ready" && status.reason ? ["warn", "warn"]
    : known.slice(1);
  showIcon(sign, shape, tone);
  text(word, name);
  text(reason, status.reason ? `: ${status.reason}` : "");
  const bad = status.mappers.filter((m) => rank(m) === 0).length;
  document.title = (bad ? `${bad} failing · ` : "") + (status.condition === "ready" ? ""
    : `${name} · `) + "erp2couch";
}

function showAbout(status) {
  const about = `erp2couch ${status.version}, up for ${duration(status.uptime_seconds)} · `
    + `${status.config} → ${status.couchdb}`;
  if (at("about").textContent !== about) at("about").replaceChildren(foreign(about));
}

function showToken() {
  text(at("token"), token.current() ? "Forget token" : "Enter token");
}

/* ---- what is worth saying ---- */

/** Of many mappers at once one message. */
function names(list) {
  return list.length > 3 ? plural(list.length, "mapper") : list.map(quoted).join(", ");
}

function sayTrouble(mappers) {
  const now = new Set(mappers.filter((m) => rank(m) === 0).map((m) => m.mapper));
  const there = new Set(mappers.map((m) => m.mapper));
  if (failing) {
    const fresh = [...now].filter((name) => !failing.has(name));
    const well = [...failing].filter((name) => !now.has(name) && there.has(name));
    if (fresh.length) say(`Failing: ${names(fresh)}`);
    if (well.length) say(`Well again: ${names(well)}`);
  }
  failing = now;
}

function sayEnded(mapper, run) {
  say(`Run of ${quoted(mapper)} ended: ${outcome(run.outcome).word}, ${count(run.read)} read, `
    + `${count(changed(run))} changed, ${count(run.rejected)} rejected`);
}

/* ---- rounds ---- */

function lost(e) {
  const answers = e.status > 0;
  const what = answers ? `The service answers with an error: ${e.message}.`
    : `Connection lost: ${e.message.replace(/^The/, "the")}.`;
  text(at("lost").firstElementChild,
    what + (since ? ` What is shown is from ${absolute(since)}.` : ""));
  at("lost").hidden = false;
  attr(document.body, "class", "old");
}

function onRun(run) {
  const card = list.card(run.mapper);
  if (run.outcome || run.phase === "ended") look();
  else if (card?.m.run?.id === run.id) card.refresh();
}

async function round() {
  let status;
  try {
    status = await get("status");
  } catch (e) {
    lost(e);
    return "lost";
  }
  if (!at("lost").hidden && since) say("The connection is back");
  at("lost").hidden = true;
  attr(document.body, "class", null);
  since = Date.now();
  clockOf(status);
  showCondition(status);
  showAbout(status);
  for (const [mapper, run] of list.update(status.mappers)) sayEnded(mapper, run);
  sayTrouble(status.mappers);
  live.follow(list.running(), onRun);
  history.follow(status.mappers, () => list.draw());
  return status.mappers.some((m) => m.activity === "running" || m.activity === "waiting")
    ? "busy" : "idle";
}

showToken();
document.addEventListener("token", showToken);
at("token").addEventListener("click", () => {
  if (token.current()) token.keep("");
  else askToken("It permits to run and pause mappers, and to retry or drop rejects.");
});
at("reload").replaceWith(button("Reload the configuration", "Reload the configuration",
  actions.reload, { id: "reload", class: "plain" }));
const look = poll(round);
document.addEventListener("look", look);
document.addEventListener("visibilitychange", () => document.hidden && live.follow([], onRun));
at("lost").lastElementChild.addEventListener("click", look);
