// browser.js: a browser for tests in Python: one JSON object a line in, one out.
//
//     node browser.js PACKAGES CHROMIUM      PACKAGES: folder with playwright-core and axe-core
//
// in: {"do": NAME OF A COMMAND, ...}      out: {"value": ...} or {"error": "..."}
// Commands other than "open" and "quit" are about the page that was opened last.

const path = require("path");
const readline = require("readline");

const [packages, program] = process.argv.slice(2);
const { chromium } = require(path.join(packages, "node_modules/playwright-core"));
const AXE = path.join(packages, "node_modules/axe-core/axe.min.js");
const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
  "--disable-dev-shm-usage"];
const PATIENCE_MS = 60000; // nothing here takes seconds, but others may have the processors
const POLL_MS = 30;

let browser, context, page, address, known; // known: the options of the context
let console_lines = []; // warnings and errors, exceptions and requests to elsewhere

function watch() {
  page.on("console", (m) => {
    if (["error", "warning"].includes(m.type())) console_lines.push(`${m.type()}: ${m.text()}`);
  });
  page.on("pageerror", (e) => console_lines.push(`exception: ${e.stack}`));
  page.on("request", (r) => {
    if (!r.url().startsWith(address)) console_lines.push(`elsewhere: ${r.url()}`);
  });
}

const COMMANDS = {
  // {url, options: of the browser's context}
  // A context of its own takes a second of a processor: with equal options it is the one before,
  // and its page, emptied.
  async open({ url, options }) {
    browser ??= await chromium.launch({ executablePath: program, args: ARGS });
    if (known === JSON.stringify(options)) {
      await page.evaluate("sessionStorage.clear()").catch(() => {}); // an error page has none
      await page.goto("about:blank");
    } else {
      await context?.close();
      context = await browser.newContext(options);
      page = await context.newPage();
      page.setDefaultTimeout(PATIENCE_MS);
      watch();
      known = JSON.stringify(options);
    }
    address = url;
    console_lines = [];
    await page.goto(url);
  },
  click: ({ on }) => page.click(on),
  fill: ({ on, text }) => page.fill(on, text),
  select: ({ on, value }) => page.selectOption(on, value),
  press: ({ key }) => page.keyboard.press(key),
  type: ({ text }) => page.keyboard.type(text),
  tab: ({ hidden }) => page.evaluate((value) => {
    Object.defineProperty(document, "hidden", { value, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden),
  async until({ script, arg }) {
    // Not waitForFunction(): the page's policy stops what that evaluates.
    for (const end = Date.now() + PATIENCE_MS; !await COMMANDS.evaluate({ script, arg });) {
      if (Date.now() > end) throw new Error(`not within ${PATIENCE_MS / 1000} s`);
      await new Promise((resume) => setTimeout(resume, POLL_MS));
    }
  },
  evaluate: ({ script, arg }) => page.evaluate(`(${script})(${JSON.stringify(arg ?? null)})`),
  console: () => console_lines,
  screenshot: ({ file }) => page.screenshot({ path: file, fullPage: true }).then(() => null),
  // What axe-core finds against WCAG 2.1 A and AA.
  // {on: only within that, rules: these and no others}
  async axe({ on, rules }) {
    const source = require("fs").readFileSync(AXE, "utf8");
    await page.evaluate(source); // by the debugger: no policy of the page stops it
    const runOnly = rules ?? ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"];
    const found = await page.evaluate(([on, runOnly]) => window.axe.run(on ?? document,
      { runOnly }), [on ?? null, runOnly]);
    return found.violations.map((v) =>
      `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html.slice(0, 200)).slice(0, 3).join(" | ")}`);
  },
  async quit() {
    await browser?.close();
    process.exit(0);
  },
};

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    let answer;
    try {
      answer = { value: (await COMMANDS[order.do](order)) ?? null };
    } catch (e) {
      answer = { error: e.message };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  }
  await browser?.close();
})();
