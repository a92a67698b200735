"""The status page in a real browser, over a service whose answers the tests script.

Every test ends with a look at the console: no exception, nothing that the content security policy
stopped, no request to anywhere but the service.
"""

import re

import pytest

from support import fake_service
from support.browser import Browser
from support.fake_service import PAGE, TOKEN, FakeService, lively, mapper, reject
from support.process import wait_until
from support.service import PATIENCE, Service
from support.service import TOKEN as SERVICE_TOKEN

pytestmark = pytest.mark.once

NARROW = {"viewport": {"width": 360, "height": 740}}
TOKEN_KEPT = "() => sessionStorage.getItem('erp2couch-token')"
FOCUSED = """() => {
  const node = document.activeElement, card = node.closest("[data-mapper]");
  return [card && card.dataset.mapper, node.getAttribute("aria-label") || !card && node.id
    || node.textContent.trim()];
}"""
CARDS = """() => [...document.querySelectorAll("#mappers > li")]
  .filter((card) => card.checkVisibility()).map((card) => ({
    mapper: card.dataset.mapper, bars: card.querySelectorAll(".picture g").length,
    ...Object.fromEntries([...card.querySelectorAll("[data-fact]")].map((n) => [n.dataset.fact,
      n.localName === "time" ? n.dateTime : n.localName === "data" ? n.value
        : n.textContent]))}))"""
TOO_WIDE = """() => [...document.querySelectorAll("body *")].filter((n) => n.checkVisibility()
  && !n.closest(".scroll, .unseen") && n.getBoundingClientRect().right > innerWidth + 1)
  .map((n) => n.outerHTML.slice(0, 80))
  .concat(document.documentElement.scrollWidth > innerWidth ? ["the page"] : [])"""


@pytest.fixture(scope="module")
def browser():
    started = Browser()
    yield started
    started.remove()


@pytest.fixture(scope="module")
def port():
    """Of all fake services, one after the other: the browser has a process for each address."""
    with FakeService() as made:
        return made.port


@pytest.fixture
def service(port):
    with FakeService(port=port) as made:
        yield made


class Page:
    """The page of a service."""

    def __init__(self, browser, service):
        self.browser, self.service = browser, service
        self.expected = []  # patterns of what the console may say

    def open(self, token=None, **options):
        self.browser.open(self.service.url + "/", **options)
        self.cards_are(len(self.service.mappers))
        if token:
            self.browser.click("#token")
            self.enter(token)
        return self

    def enter(self, token):
        self.browser.fill("#ask-token input", token)
        self.browser.press("Enter")

    def cards_are(self, number):
        self.until("n => document.querySelectorAll('#mappers > li').length === n", number)

    def until(self, script, arg=None):
        self.browser.until(script, arg)

    def look(self):
        self.browser.evaluate("() => document.dispatchEvent(new Event('look'))")

    def card(self, name, inside=""):
        return f'[data-mapper="{name}"] {inside}'.strip()

    def click(self, name, label):
        """The button of that mapper whose text begins so."""
        self.browser.click(self.card(name, f'button:has-text("{label}")'))

    def expand(self, name):
        self.browser.click(self.card(name, ".toggle"))

    def fact(self, name, fact, text):
        self.until("([on, text]) => document.querySelector(on).textContent === text",
                   [self.card(name, f'[data-fact="{fact}"]'), text])

    def text(self, on):
        return self.browser.evaluate("on => document.querySelector(on).textContent", on)

    def says(self, pattern):
        self.until("p => new RegExp(p).test([...document.querySelectorAll('.notice')]"
                   ".map((n) => n.textContent.replace(/[\\u2068\\u2069]/g, '')).join())", pattern)

    def settled(self):
        """Nothing that was asked for is under way."""
        self.until("() => !document.querySelector('[aria-busy]')")

    def rejects(self, name, number):
        self.until("([on, n]) => document.querySelectorAll(on).length === n",
                   [self.card(name, "[data-reject]"), number])

    def shown(self):
        return [card["mapper"] for card in self.browser.evaluate(CARDS)]

    def focused(self):
        mapper_name, what = self.browser.evaluate(FOCUSED)
        return mapper_name, re.sub("[\u2068\u2069]", "", what)


@pytest.fixture
def page(browser, service):
    made = Page(browser, service)
    yield made
    wrong = [line for line in browser.console()
             if not any(re.search(pattern, line) for pattern in made.expected)]
    assert not wrong


# ---- what is shown ----

def figure(value):
    return "" if value is None else str(value)


def test_what_is_shown_is_what_the_api_says_of_each_of_100_mappers(page, service):
    lively(service, [f"{name}-{n}" for n in range(10) for name in fake_service.WORLD])
    service.mappers["stock-9"].update(mapper("stock-9", rejects=None, state="missing"))
    service.runs = [run for run in service.runs if run["mapper"] != "stock-9"]
    page.open()
    words = {"ok": "OK", "unavailable": "Unavailable", "rejects": "Rejects", None: "Never run"}
    page.until("n => document.querySelectorAll('.picture g').length === n", 99 * 24)
    shown = {card["mapper"]: card for card in page.browser.evaluate(CARDS)}
    for name, m in service.mappers.items():
        last = m["last_run"] or {}
        waits = f" for {m['waiting_for']}" if m["waiting_for"] else ""
        assert shown[name] == {
            "mapper": name, "source": m["source"], "activity": m["activity"].capitalize() + waits,
            "outcome": words[last.get("outcome")], "last": last.get("started", ""),
            "next": figure(m["next_run"]), "lag": figure(m["lag_seconds"]),
            "records": figure(m["records"]), "rejects": figure(m["rejects"]),
            "bars": 0 if name == "stock-9" else 24}
    assert len(shown) == 100


def test_trouble_comes_first(page, service):
    lively(service, fake_service.WORLD)
    page.open()
    assert page.shown()[:3] == ["invoices", "prices", "contacts"]  # failing, rejects, paused
    assert page.browser.evaluate("() => document.title").startswith("1 failing")


def test_filter_chips_and_order(page, service):
    lively(service, fake_service.WORLD)
    page.open()
    page.browser.fill("#filter", "co")
    assert sorted(page.shown()) == ["contacts", "countries"]
    page.browser.fill("#filter", "nothing is called so")
    assert page.shown() == [] and "No mapper" in page.text("#empty")
    page.browser.fill("#filter", "")
    page.browser.click('[data-chip="paused"]')
    assert page.shown() == ["contacts"]
    page.browser.click('[data-chip="all"]')
    page.browser.order("select", on="#sort", value="name")
    assert page.shown() == sorted(fake_service.WORLD)


def test_nothing_moves_under_the_keyboard(page, service):
    lively(service, ["alpha", "beta"])
    page.open()
    page.browser.evaluate("on => document.querySelector(on).focus()", page.card("alpha", ".toggle"))
    service.ended(fake_service.run("beta", fake_service.at(), outcome="failed", error="no"))
    page.look()
    page.fact("beta", "outcome", "Failed")
    assert page.shown() == ["alpha", "beta"]
    page.browser.evaluate("() => document.activeElement.blur()")
    page.look()
    page.until("() => document.querySelector('#mappers > li').dataset.mapper === 'beta'")


def test_condition_and_its_reason(page, service):
    lively(service, ["one"])
    service.condition, service.reason = "degraded", "CouchDB does not answer: Connection refused"
    page.open()
    assert page.text("#condition") == "Degraded: CouchDB does not answer: Connection refused"


def test_times_are_relative_to_the_clock_of_the_service(page, service):
    lively(service, ["one"])
    service.began -= 7200
    page.open()
    page.browser.evaluate("""() => { const now = Date.now; Date.now = () => now() + 86400000; }""")
    page.look()
    page.until("on => /^3\\d s ago|^now/.test(document.querySelector(on).textContent)",
               page.card("one", '[data-fact="last"]'))


# ---- what can be done ----

@pytest.mark.parametrize("streams", [True, False], ids=["by events", "by polling"])
def test_a_run_started_from_the_page_finishes_and_is_shown(page, service, streams):
    lively(service, ["orders"])
    service.streams, service.run_seconds = streams, 1.5 if streams else 4.5
    page.expected = [] if streams else ["status of 404"]
    page.open(token=TOKEN)
    page.expand("orders")
    page.click("orders", "Full run")
    page.fact("orders", "activity", "Running")
    page.until("on => /Reading [1-9]\\d* of 1,000/.test(document.querySelector(on).textContent)",
               page.card("orders", ".progress"))
    page.says("Run of orders ended: OK, 1,000 read, 10 changed, 0 rejected")
    page.fact("orders", "activity", "Idle")
    assert service.posts == [("mappers/orders/run", {"full": True, "allow_deletes": False})]
    page.until("on => document.querySelector(on).textContent.includes('manual, full')",
               page.card("orders", "tbody tr"))
    newest = service.mappers["orders"]["last_run"]["started"]
    page.until("([on, at]) => document.querySelector(on).dateTime === at",
               [page.card("orders", '[data-fact="last"]'), newest])


def test_pause_and_resume(page, service):
    lively(service, ["stock"])
    page.open(token=TOKEN)
    page.click("stock", "Pause")
    page.fact("stock", "activity", "Paused")
    page.says("stock is paused")
    page.click("stock", "Resume")
    page.fact("stock", "activity", "Idle")
    assert [path for path, _ in service.posts] == ["mappers/stock/pause", "mappers/stock/resume"]


def with_rejects(service, number):
    lively(service, ["prices"])
    service.mappers["prices"]["rejects"] = number
    service.rejects = [reject("prices", key) for key in range(1, number + 1)]


def test_a_reject_is_shown_and_retried(page, service):
    with_rejects(service, 2)
    service.rejects[0].update(key=["A/1", 7], reason="still no price", field="price")
    page.open(token=TOKEN).expand("prices")
    page.rejects("prices", 2)
    for word in ("A/1,7", "price", "still no price", "2 times", "prices:1"):
        assert word in page.text(page.card("prices", "[data-reject]"))
    page.click("prices", "Retry")
    page.says("Record A/1,7 was rejected again")
    page.until("on => document.querySelector(on).textContent.includes('3 times')",
               page.card("prices", "[data-reject]"))
    page.browser.click(page.card("prices", '[data-reject="reject:prices:2"] button'))
    page.says("Record 2 is in CouchDB now")
    page.rejects("prices", 1)
    page.fact("prices", "rejects", "1")
    assert [path for path, _ in service.posts] == ["rejects/reject%3Aprices%3A1/retry",
                                                   "rejects/reject%3Aprices%3A2/retry"]


def test_a_reject_is_dropped_only_when_that_is_confirmed(page, service):
    with_rejects(service, 1)
    page.open(token=TOKEN).expand("prices")
    page.click("prices", "Drop")
    page.browser.click("#confirm [value=cancel]")
    assert not service.posts
    page.click("prices", "Drop")
    page.browser.click("#confirm [type=submit]")
    page.rejects("prices", 0)
    assert page.focused() == ("prices", "Rejects")  # the heading, not the top of the page


def test_many_rejects_come_in_pages(page, service):
    with_rejects(service, 45)
    page.open().expand("prices")
    page.rejects("prices", 20)
    page.click("prices", "Show more")
    page.rejects("prices", 40)
    assert page.focused() == ("prices", "Retry record 21")
    page.click("prices", "Show more")
    page.rejects("prices", 45)
    assert not page.browser.evaluate("on => document.querySelector(on).checkVisibility()",
                                     page.card("prices", 'button[aria-label^="Show more"]'))


def test_a_wrong_token_is_asked_for_again_and_nothing_outlives_the_tab(page, service):
    page.expected = ["status of 401"]
    lively(service, ["one"])
    page.open()
    page.click("one", "Pause")
    page.enter("wrong")
    page.until("() => document.getElementById('ask-token-why').textContent.includes('refused')")
    assert not page.browser.evaluate(TOKEN_KEPT)
    page.enter(TOKEN)
    page.fact("one", "activity", "Paused")
    assert page.browser.evaluate(TOKEN_KEPT) == TOKEN
    assert page.browser.evaluate("() => [localStorage.length, document.cookie]") == [0, ""]
    assert TOKEN not in page.browser.evaluate("() => document.documentElement.outerHTML")
    page.browser.click("#token")
    assert not page.browser.evaluate(TOKEN_KEPT)


def test_giving_up_on_the_token_does_nothing(page, service):
    page.expected = ["status of 401"]
    lively(service, ["one"])
    page.open().click("one", "Run")
    page.until("() => document.getElementById('ask-token').open")
    page.browser.press("Escape")
    page.until("() => !document.getElementById('ask-token').open")
    page.settled()
    assert not service.posts and page.focused() == ("one", "Run one")


def test_errors_of_the_service_in_its_words(page, service):
    page.expected = ["status of 409"]
    lively(service, ["one"])
    page.open(token=TOKEN)
    service.mappers["one"]["run"] = fake_service.run("one", fake_service.at(), outcome=None,
                                                     phase="reading")
    page.click("one", "Run")
    page.says("Run of one: mapper one is running already")


def test_what_the_brake_withheld_is_permitted_for_one_run(page, service):
    lively(service, ["one"])
    service.ended(fake_service.run("one", fake_service.at(-60), outcome="refused",
                                   error="3000 deletions are more than half of the documents"))
    service.mappers["one"]["last_run"]["withheld"] = 3000
    page.open(token=TOKEN).expand("one")
    assert "3000 deletions" in page.text(page.card("one", ".error"))
    page.click("one", "Run, deletions")
    assert "3,000" in page.text("#confirm-text")
    page.browser.click("#confirm [type=submit]")
    page.says("Run of one ended")
    assert service.posts == [("mappers/one/run", {"full": False, "allow_deletes": True})]


# ---- the connection ----

def test_connection_lost_and_back(page, service):
    page.expected = ["ERR_CONNECTION", "ERR_EMPTY_RESPONSE"]
    lively(service, ["one"])
    page.open()
    service.stop()
    page.look()
    page.until("() => document.querySelector('#lost p').textContent"
               ".startsWith('Connection lost: the service does not answer. What is shown is from')")
    service.mappers["one"]["records"] = 987654
    service.listen()
    page.fact("one", "records", "987,654")
    assert not page.browser.evaluate("() => document.getElementById('lost').checkVisibility()")
    page.says("The connection is back")


def test_a_service_that_answers_with_errors(page, service):
    page.expected = ["status of 503"]
    lively(service, ["one"])
    page.open()
    service.broken = (503, "the service stops")
    page.look()
    page.until("() => document.querySelector('#lost p').textContent"
               ".startsWith('The service answers with an error: the service stops.')")


def test_a_tab_that_nobody_sees_asks_for_nothing(page, service):
    lively(service, ["one", "two", "three"])
    service.run_seconds = 20
    for name in service.mappers:
        service.start_run(name, False)
    page.open()
    wait_until("two streams", PATIENCE, lambda: service.open_streams == 2)  # not three: see live.js
    page.browser.order("tab", hidden=True)
    wait_until("no stream", PATIENCE, lambda: service.open_streams == 0)
    asked = len(service.gets)
    page.browser.evaluate("() => new Promise((done) => setTimeout(done, 2500))")
    assert len(service.gets) <= asked + 1  # one was on its way
    page.browser.order("tab", hidden=False)
    wait_until("two streams", PATIENCE, lambda: service.open_streams == 2)


# ---- for everybody ----

def everything_open(page, service, **options):
    lively(service, fake_service.WORLD, runs=6)
    service.run_seconds = 60
    service.start_run("orders", False)
    page.open(**options)
    for name in ("invoices", "prices", "orders"):
        page.expand(name)
    page.rejects("prices", 3)
    page.until("() => document.querySelectorAll('.chart g').length === 18")


# What colours have to do with is all that a scheme changes.
@pytest.mark.parametrize("scheme, rules", [
    ("light", None), ("dark", ["color-contrast", "link-in-text-block"])], ids=["light", "dark"])
def test_axe_finds_nothing(page, service, scheme, rules):
    def axe(**more):
        return page.browser.order("axe", rules=rules, **more)

    page.expected = ["ERR_CONNECTION", "ERR_EMPTY_RESPONSE", "ERR_INCOMPLETE"]
    everything_open(page, service, colorScheme=scheme)
    assert axe() == []
    page.browser.click("#token")
    assert axe(on="#ask-token") == []
    page.browser.press("Escape")
    page.click("prices", "Drop")
    assert axe(on="#confirm") == []
    page.browser.press("Escape")
    service.stop()
    page.look()
    page.until("() => document.getElementById('lost').checkVisibility()")
    found = axe(on="#lost")
    service.listen()
    assert found == []


@pytest.mark.parametrize("width", [360, 320])
def test_a_narrow_screen_never_scrolls_sideways(page, service, width):
    everything_open(page, service, viewport={"width": width, "height": 740})
    assert page.browser.evaluate(TOO_WIDE) == []
    page.browser.click("#token")
    assert page.browser.evaluate(TOO_WIDE) == []


def test_by_keyboard_alone(page, service):
    page.expected = ["status of 401"]
    with_rejects(service, 2)
    page.open()
    order = []
    for _ in range(30):
        page.browser.press("Tab")
        order.append(page.focused()[1])
        if order[-1] == "prices":
            break
    assert order == ["Skip to the mappers", "token", "All 1", "Failing 0", "Rejects 1", "Running 0",
                     "Paused 0", "filter", "sort", "prices"]
    assert page.browser.evaluate("() => getComputedStyle(document.activeElement).outlineWidth"
                                 ) == "2px"
    page.browser.press("Enter")
    page.rejects("prices", 2)
    page.browser.press("Tab", "Tab", "Tab", "Tab")
    assert page.focused() == ("prices", "Retry record 1")
    page.browser.press("Enter")
    page.until("() => document.getElementById('ask-token').open")
    for _ in range(6):  # the dialog keeps the focus, or gives it to the browser itself
        page.browser.press("Tab")
        assert page.browser.evaluate("() => document.activeElement === document.body"
                                     " || Boolean(document.activeElement.closest('dialog'))")
    page.browser.evaluate("() => document.querySelector('#ask-token input').focus()")
    page.browser.order("type", text=TOKEN)
    page.browser.press("Enter")
    page.rejects("prices", 1)
    assert page.focused() == ("prices", "Retry record 2")  # not lost with the reject
    for _ in range(12):  # no trap: the foot is reached
        page.browser.press("Tab")
        if page.focused()[1] == "Metrics":
            return
    raise AssertionError("the focus never came to the end of the page")


def test_reduced_motion_stands_still(page, service):
    everything_open(page, service, reducedMotion="reduce")
    assert page.browser.evaluate("() => document.getAnimations().length") == 0


HOSTILE = {
    "markup": "<script>window.hit = 1</script><img src=x onerror='window.hit = 1'>\"'&amp;",
    "right to left": "\u202e\u05e9\u05dc\u05d5\u05dd \u2067evil\u202e",
    "long": "W" * 10240,
    "long lines": "line\n" * 2000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_shown_as_they_are(page, service, text):
    m = service.mappers["evil"] = mapper(text, source=text, waiting_for=text, activity="waiting",
                                         schedule=text, rejects=1, failures=1)
    bad = fake_service.run(text, fake_service.at(-5), outcome="failed", error=text, trigger=text)
    m["last_run"] = fake_service.last_run(bad)
    service.runs = [bad]
    service.rejects = [reject(text, text, field=text, reason=text, stage=text, document=text)]
    service.condition, service.reason = "degraded", text
    page.open(**NARROW)
    assert page.text(".toggle") == text and page.text('[data-fact="source"]') == text
    page.browser.click(".toggle")
    page.until("() => document.querySelector('[data-reject]')")
    assert page.text(".reason") == text and page.text(".error") == text
    assert page.browser.evaluate(
        "() => window.hit || document.querySelectorAll('li script, li img').length") == 0
    assert page.browser.evaluate(TOO_WIDE) == []
    height = page.browser.evaluate("() => document.documentElement.scrollHeight")
    assert height < 6000  # the others can still be found


def test_the_source_parses_no_markup():
    for path in PAGE.iterdir():
        found = re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b"
                           r"|new Function|https?://(?!www\.w3\.org)|style=|<script>",
                           path.read_text())
        assert not found, path.name


# ---- over the real service ----

@pytest.fixture
def real(browser, project, database):
    """The page of `erp2couch serve`: a mapper with two records, and one that cannot be mapped."""
    database.sql("CREATE TABLE item (id int PRIMARY KEY, v text);"
                 "INSERT INTO item VALUES (1, '10'), (2, '20'), (3, 'many')")
    project.table_mapper(fields="v: {from: v, type: integer}")
    with Service(project) as running:
        shown = Page(browser, running)
        browser.open(running.url + "/")
        shown.cards_are(1)
        browser.click("#token")
        shown.enter(SERVICE_TOKEN)
        yield shown
        assert browser.console() == []


def test_the_real_service_runs_and_is_shown(real, project):
    real.click("item", "Run")
    real.says("Run of item ended: Rejects, 3 read, 2 changed, 1 rejected")
    real.until("on => document.querySelector(on)?.childElementCount > 0",
               real.card("item", ".picture g"))
    wait_until("the rejects are known", PATIENCE,
               lambda: real.service.mapper("item")["rejects"] == 1)
    real.look()
    real.fact("item", "rejects", "1")
    m = real.service.mapper("item")
    assert m["last_run"]["outcome"] == "rejects"
    shown, = real.browser.evaluate(CARDS)
    assert shown == {"mapper": "item", "source": "erp", "activity": "Idle", "outcome": "Rejects",
                     "last": m["last_run"]["started"], "next": "", "records": str(m["records"]),
                     "lag": shown["lag"], "rejects": "1", "bars": 1}
    assert abs(int(shown["lag"]) - m["lag_seconds"]) < 30
    assert project.db("catalog").get("item:1")["v"] == 10


def test_a_reject_of_the_real_service_is_retried(real, database):
    real.click("item", "Run")
    real.says("Run of item ended")
    real.expand("item")
    real.rejects("item", 1)
    assert "many" in real.text(real.card("item", ".reason"))
    real.click("item", "Retry")
    real.says("Record 3 was rejected again")
    real.settled()
    database.sql("UPDATE item SET v = '30' WHERE id = 3")
    real.click("item", "Retry")
    real.says("Record 3 is in CouchDB now")
    real.rejects("item", 0)
    wait_until("it is known", PATIENCE, lambda: real.service.mapper("item")["rejects"] == 0)
    real.look()
    real.fact("item", "rejects", "0")


def test_pausing_the_real_service(real):
    real.click("item", "Pause")
    real.fact("item", "activity", "Paused")
    assert real.service.mapper("item")["activity"] == "paused"
    real.click("item", "Resume")
    real.fact("item", "activity", "Idle")


def test_the_program_serves_the_files_of_the_source(project, database):
    """Without comments and indentation; nothing else is different."""

    def words(text):
        return re.sub(r"/\*.*?\*/|(?<=\s)//[^\n]*|\s+", "", text, flags=re.S)

    def get(name, coding, **headers):
        reply = running.session.get(f"{running.url}/{name}", timeout=30,
                                    headers={"Accept-Encoding": coding, **headers})
        assert reply.headers["Vary"] == "Accept-Encoding"
        return reply

    project.table_mapper()
    sent = 0
    with Service(project) as running:
        for path in PAGE.iterdir():
            name = "" if path.name == "index.html" else path.name
            plain, packed = get(name, "identity"), get(name, "br, gzip")
            assert plain.status_code == 200 and words(plain.text) == words(path.read_text()), name
            assert packed.content == plain.content and "Content-Encoding" not in plain.headers
            is_packed = packed.headers.get("Content-Encoding") == "gzip"
            assert (packed.headers["ETag"] != plain.headers["ETag"]) == is_packed
            sent += int(packed.headers["Content-Length"])
            for reply, coding in (plain, "identity"), (packed, "gzip"):
                again = get(name, coding, **{"If-None-Match": reply.headers["ETag"]})
                assert again.status_code == 304 and not again.content
                assert "Content-Encoding" not in again.headers
                assert reply.headers["Content-Type"] == fake_service.TYPES[path.suffix]
        assert plain.headers["Content-Security-Policy"] == \
            fake_service.HEADERS["Content-Security-Policy"]
    assert sent < 30_000, "of the whole page, in one visit"
