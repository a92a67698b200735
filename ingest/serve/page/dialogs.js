/* dialogs.js: questions to the operator. The browser's modal dialogs keep the focus inside, close
 * on Escape, and give the focus back. */

import { text } from "./dom.js";
import * as token from "./token.js";

/** Opens it; resolves to whether it was submitted. */
function open(dialog, submitted) {
  const form = dialog.querySelector("form");
  return new Promise((resolve) => {
    const done = new AbortController();
    const on = (node, event, fn) => node.addEventListener(event, fn, { signal: done.signal });
    on(form, "submit", (event) => {
      event.preventDefault();
      if (submitted()) dialog.close("yes");
    });
    on(form.querySelector('[value="cancel"]'), "click", () => dialog.close(""));
    on(dialog, "close", () => {
      done.abort();
      resolve(dialog.returnValue === "yes");
    });
    dialog.returnValue = "";
    dialog.showModal();
  });
}

let asking = null; // one question, however many actions need its answer

/** Asks for the token and keeps it. Resolves to whether there is one now. */
export function askToken(why) {
  asking ??= (async () => {
    const dialog = document.getElementById("ask-token");
    const input = dialog.querySelector("input");
    text(document.getElementById("ask-token-why"), why);
    input.value = "";
    input.oninput = () => input.setCustomValidity("");
    return open(dialog, () => {
      const value = input.value.trim();
      input.setCustomValidity(token.usable(value) ? "" : "Letters, digits and signs of ASCII only");
      if (!input.reportValidity()) return false;
      token.keep(value);
      input.value = "";
      return true;
    });
  })().finally(() => {
    asking = null;
  });
  return asking;
}

/** Resolves to whether the operator wants `action`. The focus begins on Cancel. */
export function confirm(title, words, action) {
  const dialog = document.getElementById("confirm");
  text(document.getElementById("confirm-title"), title);
  text(document.getElementById("confirm-text"), words);
  text(dialog.querySelector(".main"), action);
  return open(dialog, () => true);
}
