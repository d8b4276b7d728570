"""Surveys answered in a real browser: Chromium, at the sizes of a phone and of a desk, with script and without.

Arguments: base URL, credentials.json, data folder (not used). PROOF_PICTURES is the folder for screenshots. Debian's Chromium is driven by
Playwright; every page is looked through by axe-core, which comes from npm.
"""

import itertools
import json
import os
import pathlib
import subprocess
import tempfile
import time

import requests
from pages_browser import NARROW, SIZES, TOUCH, Browser, control, fill, fill_person, press, reach, strike, visible
from pages_hub import ANSWERS, BASE, MASKED, NOTE, PERSON, SURVEY, Hub
from playwright.sync_api import sync_playwright

AXE_VERSION = "4.14.1"
TOO_LONG = 300_000  # characters
GUESSES = 20  # wrong signatures that are told so before one has to wait
ONE_ANSWER = [answer for answer in ANSWERS if answer["questionRank"] in (2, 3, 4, 6, 8, 14)]


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
                                   ("ended-meanwhile", hub.link(others, uid="late"), 410), ("sheet-unknown", hub.link(hub.group(once)), 400),
                                   ("too-long", hub.link(hub.group(once)), 413)]:
            page = browser.open(link)
            fill(browser, ANSWERS[0])
            if name == "ended-meanwhile":
                hub.write(f"/collect-groups/{others}/complete")
            elif name == "sheet-unknown":
                page.evaluate("document.forms[0].elements.sheet.value = 'x'")
            elif name == "too-long":
                page.evaluate("size => { document.forms[0].elements['q2.other.3'].maxLength = size; document.forms[0].elements['q2.other.3'].value = 'x'.repeat(size) }", TOO_LONG)
            else:
                hub.submit(link, ANSWERS[:1])
            with page.expect_response(lambda answer: answer.request.is_navigation_request()) as answer:
                page.click(".primary")
            assert answer.value.status == status, (name, answer.value.status)
            turned_away(browser, told, name, status)
        guessed = hub.link(hub.group(survey, isUsingHmac=True), store="강남점")[:-1]
        assert all(requests.get(guessed).status_code == 403 for _ in range(GUESSES))
        browser.open(guessed, 429)
        turned_away(browser, told, "too-many", 429)
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
