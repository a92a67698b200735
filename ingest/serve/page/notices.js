/* notices.js: short messages, seen and heard (a polite live region). Errors stay until they are
 * dismissed; the others go by themselves. */

import { el } from "./dom.js";

const STAY_MS = 8000;
const MOST = 5; // more at once nobody reads

function show(tone, words) {
  const box = document.getElementById("notices");
  const note = el("div", { class: `notice ${tone}` }, el("p", {}, words));
  note.append(el("button", { type: "button", class: "plain", "aria-label": "Dismiss",
    click: () => note.remove() }, "×"));
  while (box.children.length >= MOST) box.firstChild.remove();
  box.append(note);
  return note;
}

export function say(words) {
  const note = show("", words);
  const leave = () => {
    if (note.matches(":hover, :focus-within")) setTimeout(leave, STAY_MS);
    else note.remove();
  };
  setTimeout(leave, STAY_MS);
}

export const complain = (words) => show("bad", words);
