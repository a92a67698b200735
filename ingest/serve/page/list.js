/* list.js: the mappers that are shown, in their order.
 *
 * Nothing moves under a hand: while the focus is in the list, or the pointer moves in it, the order
 * stays as it is; new mappers come at the end. */

import { attr, el, text } from "./dom.js";
import { plural } from "./format.js";
import { Mapper } from "./mapper.js";
import { CHIPS, matching, sorted } from "./model.js";

const STILL_MS = 4000; // a pointer that has rested this long aims at nothing

export class List {
  constructor() {
    this.box = document.getElementById("mappers");
    this.filter = document.getElementById("filter");
    this.order = document.getElementById("sort");
    this.cards = new Map(); // name -> Mapper
    this.chip = "all";
    this.moved = -STILL_MS;
    this.makeChips();
    const again = () => this.arrange(true);
    this.filter.addEventListener("input", again);
    this.order.addEventListener("change", again);
    this.box.addEventListener("pointermove", () => {
      this.moved = performance.now();
    });
    this.box.addEventListener("pointerleave", () => {
      this.moved = -STILL_MS;
    });
  }

  makeChips() {
    const box = document.getElementById("chips");
    this.chips = new Map(CHIPS.map(([name, title]) => {
      const number = el("data");
      const chip = el("button", { type: "button", "data-chip": name, click: () => {
        this.chip = name;
        this.arrange(true);
      } }, title, " ", number);
      box.append(chip);
      return [name, { chip, number }];
    }));
  }

  /** Returns: [mapper, its run] of those started here that have ended. */
  update(mappers) {
    const ended = [];
    this.mappers = mappers;
    const there = new Set(mappers.map((m) => m.mapper));
    for (const [name, card] of this.cards)
      if (!there.has(name)) {
        card.node.remove();
        this.cards.delete(name);
      }
    for (const m of mappers) {
      if (!this.cards.has(m.mapper)) this.cards.set(m.mapper, new Mapper(m.mapper));
      const run = this.cards.get(m.mapper).update(m);
      if (run) ended.push([m.mapper, run]);
    }
    this.filter.disabled = this.order.disabled = false;
    this.arrange(false);
    return ended;
  }

  busy() {
    return this.box.contains(document.activeElement) && document.activeElement !== this.box
      || performance.now() - this.moved < STILL_MS;
  }

  arrange(asked) {
    if (!this.mappers) return;
    for (const [name, , test] of CHIPS) {
      const { chip, number } = this.chips.get(name);
      attr(chip, "aria-pressed", String(name === this.chip));
      text(number, this.mappers.filter(test).length);
    }
    const shown = matching(this.mappers, this.chip, this.filter.value);
    const names = new Set(shown.map((m) => m.mapper));
    const held = !asked && this.busy();
    for (const [name, card] of this.cards)
      card.node.hidden = !names.has(name) && !(held && card.node.contains(document.activeElement));
    const order = sorted(this.mappers, this.order.value).map((m) => this.cards.get(m.mapper).node);
    if (held) this.box.append(...order.filter((node) => !node.parentNode));
    else if (order.some((node, i) => this.box.children[i] !== node)) this.box.append(...order);
    this.sayShown(shown.length);
  }

  sayShown(number) {
    const all = this.mappers.length;
    text(document.getElementById("shown"),
      number === all ? "" : `${plural(number, "mapper")} of ${all} shown`);
    const empty = document.getElementById("empty");
    empty.hidden = number > 0;
    text(empty, all ? "No mapper is like that." : "No mapper is configured.");
  }

  card(name) {
    return this.cards.get(name);
  }

  /** Names, those that are open or in trouble first: what is worth a stream. */
  running() {
    return (this.mappers ?? []).filter((m) => m.run)
      .sort((a, b) => this.card(a.mapper).details.node.hidden
        - this.card(b.mapper).details.node.hidden).map((m) => m.run.id);
  }

  draw() {
    for (const card of this.cards.values()) card.draw();
  }
}
