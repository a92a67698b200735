/* icons.js: signs of different shapes, so that colour is never all there is. The words beside them
 * say it to screen readers. */

import { attr, svg } from "./dom.js";

const RING = "M8 1.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13z";
const PATHS = {
  good: `${RING}M5 8.2l2.1 2.1L11 6.2`,
  warn: "M8 2l6.5 11.8h-13zM8 6.4v3.4M8 11.7v.1",
  bad: `${RING}M5.7 5.7l4.6 4.6M10.3 5.7l-4.6 4.6`,
  never: `${RING}M5.2 8h5.6`,
  paused: `${RING}M6.2 5.6v4.8M9.8 5.6v4.8`,
  waiting: `${RING}M8 4.6V8l2.2 1.6`,
  running: "M14.5 8A6.5 6.5 0 1 1 8 1.5",
};

export function icon(name) {
  return svg("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" },
    svg("path", { d: PATHS[name] }));
}

export function showIcon(node, name, tone) {
  attr(node, "class", `icon ${tone} ${name}`);
  attr(node.firstChild, "d", PATHS[name]);
}
