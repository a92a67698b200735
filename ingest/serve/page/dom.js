/* dom.js: elements without markup.
 *
 * Texts become text nodes only. Names, keys, reasons and errors come from an ERP, from files and
 * from other servers: whatever they hold is shown, and never parsed. */

const SVG = "http://www.w3.org/2000/svg";

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else attr(node, name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

/** An element; functions among its properties are listeners, all others attributes. */
export const el = (tag, props = {}, ...children) =>
  fill(document.createElement(tag), props, children);
export const svg = (tag, props = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), props, children);

/** What did not change is not touched: a selection stays, and no live region speaks up. */
export function text(node, value) {
  const next = String(value);
  if (node.textContent !== next) node.textContent = next;
}

/** null and false remove it, true is an attribute without a value. */
export function attr(node, name, value) {
  const next = value === true ? "" : value === false || value == null ? null : String(value);
  if (next === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== next) node.setAttribute(name, next);
}

/** A text from outside within a sentence of ours: right-to-left letters cannot reorder the rest. */
export const foreign = (value) => el("bdi", {}, String(value));

/** A button that does one thing at a time. It is never `disabled`: that would lose the focus. */
export function button(label, name, act, props = {}) {
  const node = el("button", { type: "button", "aria-label": name, ...props }, label);
  node.addEventListener("click", async () => {
    if (node.ariaDisabled === "true" || node.ariaBusy === "true") return;
    node.ariaBusy = "true";
    try {
      await act(node);
    } finally {
      node.ariaBusy = null;
    }
  });
  return node;
}
