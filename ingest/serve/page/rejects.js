/* rejects.js: the rejects of one mapper, a page at a time, with what can be done about each. */

import * as actions from "./actions.js";
import { get, part } from "./api.js";
import { confirm } from "./dialogs.js";
import { attr, button, el, foreign, text } from "./dom.js";
import { plural, quoted, timeNode } from "./format.js";
import { keyText } from "./model.js";

const PAGE = 20, MOST = 200; // of one request

const fact = (name, value) =>
  (value == null ? null : el("div", {}, el("dt", {}, name), el("dd", {}, value)));

export class Rejects {
  constructor(mapper, uid) {
    this.mapper = mapper;
    this.items = new Map(); // id of a reject -> its element
    this.title = el("h4", { id: `${uid}-rejects`, tabindex: "-1" }, "Rejects");
    this.list = el("ul", { class: "rejects", role: "list" });
    this.note = el("p", { class: "quiet" });
    this.more = button("Show more", `Show more rejects of ${quoted(mapper)}`, () => this.next());
    this.more.hidden = true;
    this.node = el("section", { "aria-labelledby": `${uid}-name ${uid}-rejects` },
      this.title, this.note, this.list, this.more);
  }

  /** Reads them again where their number, or the last run, has changed. */
  update(m) {
    const stamp = `${m.rejects} ${m.last_run?.started}`;
    this.number = m.rejects;
    this.node.hidden = !m.rejects && !this.seen; // once seen, its heading may have the focus
    if (m.rejects) this.seen = true;
    if (stamp === this.stamp) return;
    this.stamp = stamp;
    if (m.rejects === 0 && !this.items.size) this.show([], null);
    else this.load();
  }

  async ask(query) {
    try {
      return await get(`rejects?mapper=${part(this.mapper)}&${query}`);
    } catch (e) {
      this.stamp = null; // again with the next status
      text(this.note, `They cannot be read: ${e.message}`);
      this.note.hidden = false;
      return null;
    }
  }

  async load() {
    const limit = Math.min(Math.max(this.items.size, PAGE), MOST);
    const reply = await this.ask(`limit=${limit}`);
    if (reply) this.show(reply.rejects, reply.next);
  }

  async next() {
    const reply = await this.ask(`limit=${PAGE}&after=${part(this.after)}`);
    if (!reply) return;
    const first = reply.rejects[0];
    this.put(reply.rejects, reply.next);
    if (first) this.items.get(first.id)?.querySelector("button").focus();
  }

  /** These and no others; elements of those that stay remain, and so does the focus in them. */
  show(rejects, next) {
    const staying = new Set(rejects.map((reject) => reject.id));
    for (const id of [...this.items.keys()]) if (!staying.has(id)) this.remove(id);
    this.put(rejects, next);
  }

  put(rejects, next) {
    for (const reject of rejects) {
      const item = this.item(reject);
      const old = this.items.get(reject.id);
      if (!old) this.list.append(item);
      else if (old.stamp !== item.stamp) old.querySelector("div").replaceWith(item.firstChild);
      if (old) old.stamp = item.stamp;
      else this.items.set(reject.id, item);
    }
    this.after = next;
    this.more.hidden = !next;
    const all = next ? ` of ${this.number ?? "more"}` : "";
    text(this.title, this.items.size ? `Rejects (${this.items.size}${all})` : "Rejects");
    text(this.note, this.items.size ? "Every run tries them again, once their cause is mended."
      : "No record is rejected.");
    this.list.hidden = !this.items.size;
  }

  /** The focus goes where an operator goes on: the next reject, else the heading. */
  remove(id) {
    const item = this.items.get(id);
    if (!item) return;
    if (item.contains(document.activeElement)) {
      const near = item.nextSibling ?? item.previousSibling;
      (near ? near.querySelector("button") : this.title).focus();
    }
    item.remove();
    this.items.delete(id);
  }

  item(reject) {
    const key = keyText(reject.key);
    const what = el("div", {},
      el("p", { class: "reason", dir: "auto" }, reject.reason ?? "(no reason)"),
      el("dl", { class: "small" }, fact("Key", foreign(key)),
        fact("Field", reject.field && foreign(reject.field)),
        fact("Stage", reject.stage && foreign(reject.stage)),
        fact("Document", reject.document && foreign(reject.document)),
        fact("Tried", plural(reject.attempts ?? 1, "time")),
        fact("Since", reject.first && timeNode(reject.first)),
        fact("Last", reject.last && timeNode(reject.last))));
    const item = el("li", {}, what, el("div", { class: "acts" },
      button("Retry", `Retry record ${quoted(key)}`, () => this.retry(reject.id, key)),
      button("Drop", `Drop reject of record ${quoted(key)}`, () => this.drop(reject.id, key))));
    attr(item, "data-reject", reject.id);
    item.stamp = JSON.stringify(reject);
    return item;
  }

  async retry(id, key) {
    if (await actions.retryReject(id, `Record ${key}`)) await this.load();
  }

  async drop(id, key) {
    const sure = await confirm("Drop this reject?",
      `Record ${quoted(key)} of ${quoted(this.mapper)} is no longer noted as rejected. `
      + "The next run that reads it, because it changed or in a full run, tries it again.", "Drop it");
    if (sure && await actions.dropReject(id, `Reject of record ${key}`)) await this.load();
  }
}
