"""A browser that looks at each page it comes to, and the hands that fill in a form: a mouse or a keyboard."""

import os
import pathlib

from pages_hub import BASE, PERSON

PICTURES = pathlib.Path(os.environ["PROOF_PICTURES"])
PICTURES.mkdir(parents=True, exist_ok=True)
SIZES = {"phone": (390, 844), "desk": (1280, 800)}
TOUCH = 44  # pixels
NARROW = 320  # pixels of the narrowest window that is laid out for: a desk magnified four times
TO_TOUCH = "label.choice, label.grade, label.cell, button, select, textarea, input[type=text], input[type=date], #problems a"
STOPS = 200  # of the key Tab, until something must have come


class Browser:
    """A context of one size, with script or without, and beside it one that lets axe look at the same pages."""

    pages = 0
    faults = []

    def __init__(self, chromium, axe, size, script):
        self.name, self.script = f"{size}{'' if script else '-noscript'}", script
        width, height = SIZES[size]
        options = {"viewport": {"width": width, "height": height}, "locale": "ko-KR", "reduced_motion": "reduce"}
        self.context = chromium.new_context(java_script_enabled=script, **options)
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.fault(message.text) if message.type == "error" and "status of 4" not in message.text else None)
        self.page.on("pageerror", lambda error: self.fault(str(error)))
        self.context.on("request", lambda request: None if request.url.startswith(BASE) else self.fault(f"asks {request.url}"))
        self.twin, self.axe = chromium.new_context(**options).new_page(), axe

    def fault(self, what):
        self.faults.append((self.name, what))

    def open(self, link, status=200):
        answer = self.page.goto(link)
        assert answer.status == status, (link, answer.status, self.page.inner_text("body"))
        return self.page

    def look(self, what, language="ko"):
        """A picture, axe, and what a phone needs."""
        Browser.pages += 1
        assert self.page.get_attribute("html", "lang") == language
        self.page.evaluate("scrollTo(0, 0)")  # or what stays in sight would be in the middle of the picture
        self.page.screenshot(path=PICTURES / f"{self.name}-{what}.png", full_page=True)
        page = self.page if self.script else self.still()
        found = page.evaluate(self.axe + "; axe.run(document, {resultTypes: ['violations']}).then(found => found.violations)")
        serious = [(fault["id"], fault["impact"], fault["nodes"][0]["html"]) for fault in found if fault["impact"] in ("serious", "critical")]
        assert not serious, (self.name, what, serious)
        minor = [f"{fault['id']} ({fault['impact']})" for fault in found]
        if minor:
            print(f"  {self.name} {what}: {', '.join(minor)}")
        for problem in self.page.query_selector_all(".problem"):
            assert problem.evaluate("e => e.closest('fieldset').getAttribute('aria-describedby').split(' ').includes(e.id)"), "a problem is told with its question"
        small = page.evaluate(
            "([what, low]) => [...document.querySelectorAll(what)].filter(e => e.offsetParent)"
            ".filter(e => Math.min(e.getBoundingClientRect().height, e.getBoundingClientRect().width) < low).map(e => e.outerHTML)", [TO_TOUCH, TOUCH])
        assert not small, (self.name, what, small)
        size = page.viewport_size
        for width in (size["width"], NARROW):
            page.set_viewport_size({**size, "width": width})
            assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), (self.name, what, f"wider than {width} pixels")
        page.set_viewport_size(size)

    def still(self):
        """The page as it is, where axe can run: its own script stays away."""
        html, url = self.page.content(), self.page.url
        self.twin.unroute_all()
        self.twin.route("**/r/page/script.js*", lambda route: route.abort())
        self.twin.route(url, lambda route: route.fulfill(body=html, content_type="text/html; charset=utf-8"))
        self.twin.goto(url)
        return self.twin

    def close(self):
        self.context.close()
        self.twin.context.close()


def control(name, value):
    return f'[name="{name}"][value="{value}"]'


def fill(browser, answer):
    """Puts one answer into the form, as a hand would."""
    page, rank = browser.page, answer["questionRank"]
    kind = answer["type"]
    if kind in ("SingleChoice", "MultipleChoice"):
        for option in answer["options"]:
            page.check(control(f"q{rank}", option["rank"]))
    elif kind == "Dropdown":
        page.select_option(f'[name="q{rank}"]', str(answer["options"][0]["rank"]))
    elif kind == "Ranking" and browser.script:
        for option in answer["options"]:  # the button "up" of an option without a place puts it last
            page.click(f'#question-{rank} li[data-option="{option["rank"]}"] button >> nth=0')
    elif kind == "Ranking":
        for place, option in enumerate(answer["options"], 1):
            page.select_option(f'[name="q{rank}.place.{option["rank"]}"]', str(place))
    elif kind in ("Scale", "Nps"):
        page.check(control(f"q{rank}", answer["value"]))
    elif kind.startswith("Matrix"):
        for row in answer["rows"]:
            for option in row["options"]:
                page.check(control(f"q{rank}.row.{row['rank']}", option["rank"]))
    else:
        page.fill(f'[name="q{rank}"]', str(answer.get("text", answer.get("value"))))


def fill_person(page, rank):
    for field, value in PERSON.items():
        page.fill(f'[name="q{rank}.{field}"]', value)
    page.check(f'[name="q{rank}.consent"]')


def visible(page):
    return [int(element.get_attribute("data-question")) for element in page.query_selector_all("[data-question]") if element.is_visible()]


def press(browser, name="next"):
    with browser.page.expect_navigation():
        browser.page.click(f'button[value="{name}"]')


def reach(page, what):
    """Goes from control to control until it is this one; each shows that it has the focus."""
    for _ in range(STOPS):
        page.keyboard.press("Tab")
        focus = page.evaluate("""() => {
            const ring = (e) => e && getComputedStyle(e).outlineStyle !== "none";
            const e = document.activeElement;
            return e.matches("body") || ring(e) || ring(e.closest("label"));
        }""")
        assert focus, page.evaluate("document.activeElement.outerHTML")
        if page.evaluate("what => document.activeElement.matches(what)", what):
            return
    raise AssertionError(f"the key Tab does not lead to {what}")


def strike(browser, answer):
    """Puts one answer into the form by keyboard."""
    page, rank, kind = browser.page, answer["questionRank"], answer["type"]
    press = lambda key, times=1: [page.keyboard.press(key) for _ in range(times)]  # noqa: E731
    if kind == "Ranking" and browser.script:
        for option in answer["options"]:
            reach(page, f'li[data-option="{option["rank"]}"] button')
            press("Enter")
    elif kind == "Ranking":
        places = {option["rank"]: place for place, option in enumerate(answer["options"], 1)}
        for option in sorted(places):
            reach(page, f'[name="q{rank}.place.{option}"]')
            press("ArrowDown", places[option])
    elif kind == "Dropdown":
        reach(page, f'[name="q{rank}"]')
        press("ArrowDown", answer["options"][0]["rank"])
    elif kind in ("SingleChoice", "Scale", "Nps"):
        value, first = (answer["options"][0]["rank"], 1) if kind == "SingleChoice" else (answer["value"], 1 if kind == "Scale" else 0)
        reach(page, f'[name="q{rank}"]')
        press("Space")
        press("ArrowDown", value - first)
    elif kind == "MatrixSingle":
        for row in answer["rows"]:
            reach(page, f'[name="q{rank}.row.{row["rank"]}"]')
            press("Space")
            press("ArrowRight", row["options"][0]["rank"] - 1)
    elif kind in ("MultipleChoice", "MatrixMultiple"):
        rows = answer.get("rows") or [answer]
        names = [(f"q{rank}.row.{row['rank']}" if "rank" in row else f"q{rank}", row["options"]) for row in rows]
        for name, option in ((name, option["rank"]) for name, options in names for option in options):
            reach(page, control(name, option))
            press("Space")
    else:
        text = str(answer.get("text", answer.get("value")))
        reach(page, f'[name="q{rank}"]')
        page.keyboard.type(text.replace("-", "") if kind == "Date" else text)
