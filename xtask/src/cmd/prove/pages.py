"""Surveys answered in a real browser: Chromium, at the sizes of a phone and of a desk, with script and without.

Arguments: base URL, credentials.json, data folder (not used). PROOF_PICTURES is the folder for screenshots. Debian's Chromium is driven by
Playwright; every page is looked through by axe-core, which comes from npm.
"""

import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from pages_hub import ANSWERS, BASE, MASKED, NOTE, PERSON, SURVEY, Hub
from playwright.sync_api import sync_playwright

PICTURES = pathlib.Path(os.environ["PROOF_PICTURES"])
PICTURES.mkdir(parents=True, exist_ok=True)
AXE_VERSION = "4.14.1"
SIZES = {"phone": (390, 844), "desk": (1280, 800)}
TOUCH = 44  # pixels
NARROW = 320  # pixels of the narrowest window that is laid out for: a desk magnified four times
TO_TOUCH = "label.choice, label.grade, label.cell, button, select, textarea, input[type=text], input[type=date], #problems a"
ONE_ANSWER = [answer for answer in ANSWERS if answer["questionRank"] in (2, 3, 4, 6, 8, 14)]
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


def with_script(browser, link):
    page = browser.open(link)
    browser.look("1-start")
    assert 4 not in visible(page) and 11 in visible(page) and 14 not in visible(page), visible(page)
    press(browser)  # nothing was answered
    assert page.evaluate("document.activeElement.id") == "problems", "the problems have the focus"
    browser.look("2-problems")
    page.click("#problems a >> nth=0")
    assert page.evaluate("document.activeElement.name") == "q2", "a problem leads to its question"
    page.keyboard.press("Space")
    assert page.is_checked(control("q2", 1)) and 4 in visible(page), "the keyboard picks, and the branch opens"
    page.check(control("q3", 4))
    page.check(control("q3", 1))
    assert not page.is_checked(control("q3", 4)), "an option that excludes others"
    for answer in ANSWERS[:6]:
        fill(browser, answer)
    assert 14 in visible(page)
    with page.expect_response(lambda answer: answer.request.method == "POST" and answer.status == 204):
        page.fill('[name="q10"]', "비빔밥")
    page.wait_for_selector(".saved", state="visible")
    browser.open(link)  # all is there again
    kept = [page.is_checked(control("q2", 1)), page.is_checked(control("q7", 9)), page.input_value('[name="q4"]'), page.input_value('[name="q10"]')]
    assert kept == [True, True, "2", "비빔밥"], kept
    assert page.input_value('[name="q5.place.3"]') == "1", "the ranking"
    assert [cookie["name"] for cookie in browser.context.cookies()] == ["sheet"]
    for answer in ANSWERS[6:]:
        fill(browser, answer)
    fill_person(page, 15)
    browser.look("3-filled")
    assert "14" in page.inner_text("#progress-text"), page.inner_text("#progress-text")
    press(browser)


def without_script(browser, link):
    page = browser.open(link)
    browser.look("1-start")
    assert visible(page) == [2, 3] and "3단계 중 1단계" in page.inner_text("#progress-text"), (visible(page), page.inner_text("#progress-text"))
    press(browser)
    browser.look("2-problems")
    assert page.locator("#problems li").count() == 2
    for answer in ANSWERS[:2]:
        fill(browser, answer)
    press(browser)
    assert visible(page) == list(range(4, 14)), visible(page)
    browser.look("3-branch")
    for answer in ANSWERS[2:12]:
        fill(browser, answer)
    press(browser)
    assert visible(page) == [14, 15], visible(page)
    press(browser, "back")
    assert page.is_checked(control("q6", 4)) and page.input_value('[name="q11"]') == NOTE
    browser.open(link)  # goes on where something is missing
    assert visible(page) == [14, 15], visible(page)
    fill(browser, ANSWERS[12])
    fill_person(page, 15)
    page.uncheck('[name="q15.consent"]')
    press(browser)
    assert "동의" in page.inner_text("#problems") and page.input_value('[name="q15.name"]') == PERSON["name"]
    browser.look("4-consent")
    page.check('[name="q15.consent"]')
    press(browser)


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


def by_keyboard(browser, link):
    """The whole form without a mouse."""
    page, left = browser.open(link), list(ANSWERS)
    while not page.url.endswith("/thanks"):
        for answer in [*left]:
            if answer["questionRank"] in visible(page):
                strike(browser, answer)
                left.remove(answer)
        if 15 in visible(page):
            for field, value in PERSON.items():
                reach(page, f'[name="q15.{field}"]')
                page.keyboard.type(value.replace("-", "") if field == "birthDate" else value)
            reach(page, '[name="q15.consent"]')
            page.keyboard.press("Space")
        reach(page, ".primary")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert page.locator("#problems").count() == 0, page.inner_text("#problems")
    assert not left, left


def answered(hub, survey, browser, uid):
    page = browser.page
    assert page.url.endswith("/thanks"), (page.url, page.inner_text("body"))
    browser.look("5-thanks")
    assert browser.context.cookies() == []
    page.reload()
    sheet = hub.newest(survey)
    person = [answer for answer in sheet["answers"] if answer["type"] == "PersonalInfo"]
    assert [answer for answer in sheet["answers"] if answer["type"] != "PersonalInfo"] == ANSWERS, sheet["answers"]
    assert len(person) == 1 and person[0]["fields"] == MASKED, person
    assert all(value not in json.dumps(sheet, ensure_ascii=False) for value in (PERSON["cellphone"], PERSON["email"]))
    assert hub.read("/responses/metadata", surveyId=survey)["answerSheets"][0]["uid"] == uid


def refused(hub, chromium, axe):
    """A page of its own for each reason: at the door, and when a form comes back."""
    survey = hub.survey(SURVEY)
    signed, ready = hub.group(survey, isUsingHmac=True), hub.group(survey, start=False)
    paused, ended, full = hub.group(survey), hub.group(survey), hub.link(hub.group(survey, targetCnt=1))
    hub.write(f"/collect-groups/{paused}/pause")
    hub.write(f"/collect-groups/{ended}/complete")
    hub.submit(full, ONE_ANSWER)
    tampered = hub.link(signed, store="강남점", uid="A-1").replace("uid=A-1", "uid=A-2")
    cases = [("tampered", tampered, 403), ("not-started", hub.link(ready), 404), ("paused", hub.link(paused), 403), ("ended", hub.link(ended), 410),
             ("full", full, 410), ("unknown", f"{BASE}/r/a000000000000", 404)]
    once = hub.survey({**SURVEY, "questions": SURVEY["questions"][:2], "oneResponsePerUid": True})
    for size in SIZES:
        browser, told = Browser(chromium, axe, size, True), []
        for name, link, status in cases:
            browser.open(link, status)
            turned_away(browser, told, name, status)
        others = hub.group(once)
        for name, link, status in [("full-meanwhile", hub.link(hub.group(once, targetCnt=1)), 410), ("answered-already", hub.link(others, uid=size), 409),
                                   ("ended-meanwhile", hub.link(others, uid="late"), 410), ("sheet-unknown", hub.link(hub.group(once)), 400)]:
            page = browser.open(link)
            fill(browser, ANSWERS[0])
            if name == "ended-meanwhile":
                hub.write(f"/collect-groups/{others}/complete")
            elif name == "sheet-unknown":
                page.evaluate("document.forms[0].elements.sheet.value = 'x'")
            else:
                hub.submit(link, ANSWERS[:1])
            with page.expect_response(lambda answer: answer.request.is_navigation_request()) as answer:
                page.click(".primary")
            assert answer.value.status == status, (name, answer.value.status)
            turned_away(browser, told, name, status)
        print(f"{browser.name}: " + ", ".join(told))
        browser.close()


def turned_away(browser, told, name, status):
    browser.look(f"refused-{name}")
    assert browser.page.locator("form").count() == 0
    told.append(f"{name} {status}")


def guarded(hub, chromium, axe):
    """Nothing runs that is not ours, even if it got into a page."""
    browser = Browser(chromium, axe, "desk", True)
    page = browser.open(hub.link(hub.group(hub.survey(SURVEY))))
    Browser.faults, kept = [], Browser.faults
    for tag in ["<img src='x' onerror='window.broken = 1'>", "<a id='bait' href='javascript:window.broken = 1'>x</a>", "<iframe srcdoc='<script>parent.broken = 1</script>'></iframe>"]:
        page.evaluate("tag => document.querySelector('main').insertAdjacentHTML('beforeend', tag)", tag)
    page.evaluate("const script = document.createElement('script'); script.textContent = 'window.broken = 1'; document.body.append(script)")
    page.evaluate("fetch('https://example.org/').catch(() => {})")
    page.click("#bait")
    page.wait_for_timeout(500)
    assert page.evaluate("window.broken") is None, "something ran"
    refusals = [text for _, text in Browser.faults if "Content Security Policy" in text or "Content-Security-Policy" in text]
    assert len(refusals) >= 4, Browser.faults
    Browser.faults = kept
    browser.close()
    print(f"desk: {len(refusals)} foreign scripts, frames and requests stopped by the page's policy")


def english(hub, chromium, axe):
    survey = hub.survey({**SURVEY, "title": "Store satisfaction", "language": "en"})
    browser = Browser(chromium, axe, "phone", True)
    page = browser.open(hub.link(hub.group(survey)))
    assert page.get_attribute("html", "lang") == "en" and page.inner_text(".primary") == "Submit"
    browser.look("english", "en")
    press(browser)
    assert "another look" in page.inner_text("#problems h2")
    browser.look("english-problems", "en")
    browser.close()


def main():
    hub = Hub()
    survey = hub.survey(SURVEY)
    group = hub.group(survey, isUsingHmac=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, f"axe-core@{AXE_VERSION}"]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
        axe = pathlib.Path(folder, "node_modules/axe-core/axe.min.js").read_text()
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--lang=ko"], env={**os.environ, "LANGUAGE": "ko"})
        print(f"Chromium {chromium.version}, axe-core {AXE_VERSION}")
        for (number, size), script in itertools.product(enumerate(SIZES), (True, False)):
            browser, uid = Browser(chromium, axe, size, script), f"P-{number}-{script}"
            began = time.monotonic()
            (with_script if script else without_script)(browser, hub.link(group, uid=uid, store="강남점"))
            answered(hub, survey, browser, uid)
            print(f"{browser.name}: 14 questions answered, a reload in the middle, read back exactly ({time.monotonic() - began:.1f} s)")
            browser.close()
            time.sleep(1.1)  # so that the next sheet is the newest one by its second
        for script in (True, False):
            browser, uid = Browser(chromium, axe, "desk", script), f"K-{script}"
            by_keyboard(browser, hub.link(group, uid=uid, store="강남점"))
            answered(hub, survey, browser, uid)
            print(f"{browser.name}: the same by keyboard alone, the focus always to be seen")
            browser.close()
            time.sleep(1.1)
        refused(hub, chromium, axe)
        guarded(hub, chromium, axe)
        english(hub, chromium, axe)
        chromium.close()
    assert not Browser.faults, Browser.faults
    print(f"{Browser.pages} pages looked through: no serious or critical fault, nothing wider than the window or than {NARROW} pixels, "
          f"nothing to touch below {TOUCH} pixels, no message in the console, no request to another host")


if __name__ == "__main__":
    main()
