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

import requests
from playwright.sync_api import sync_playwright

BASE, CREDENTIALS = sys.argv[1], json.load(open(sys.argv[2]))
PICTURES = pathlib.Path(os.environ["PROOF_PICTURES"])
PICTURES.mkdir(parents=True, exist_ok=True)
AXE_VERSION = "4.14.1"
SIZES = {"phone": (390, 844), "desk": (1280, 800)}
TOUCH = 44  # pixels

BRANCHES = [{"text": f"<p>{name}</p>"} for name in ["강남점", "홍대점"]] + [{"text": "<p>기타 매장</p>", "isOther": True}]
SURVEY = {
    "title": "매장 만족도 조사", "language": "ko", "parameters": [{"key": "uid"}, {"key": "store"}], "questions": [
        {"type": "Description", "text": "<p>안녕하세요. <b>3분</b>이면 끝나는 설문입니다.</p><p>답변은 통계 목적으로만 사용됩니다.</p>"},
        {"type": "SingleChoice", "text": "<p>주로 이용하는 매장은 어디입니까?</p>", "options": BRANCHES, "required": True},
        {"type": "MultipleChoice", "text": "<p>최근에 이용한 서비스를 골라 주세요.</p>", "required": True, "maxSelection": 2, "options": [
            {"text": "배달"}, {"text": "포장"}, {"text": "매장 식사"}, {"text": "이용하지 않음", "isExclusive": True}]},
        {"type": "Dropdown", "text": "<p>강남점은 몇 층을 이용하셨습니까?</p>", "options": [{"text": "1층"}, {"text": "2층"}, {"text": "3층"}],
         "showIf": {"questionRank": 2, "optionRank": 1}, "required": True},
        {"type": "Ranking", "text": "<p>중요하게 생각하는 순서는?</p>", "options": [{"text": "맛"}, {"text": "가격"}, {"text": "친절"}, {"text": "거리"}]},
        {"type": "Scale", "text": "<p>청결에 얼마나 만족하십니까?</p>", "minValue": 1, "maxValue": 5, "minLabel": "매우 불만족", "maxLabel": "매우 만족", "required": True},
        {"type": "Nps", "text": "<p>친구에게 추천하시겠습니까?</p>", "minLabel": "전혀 아니다", "maxLabel": "매우 그렇다"},
        {"type": "MatrixSingle", "text": "<p>항목별로 평가해 주세요.</p>", "required": True, "rows": [{"text": "맛"}, {"text": "가격"}, {"text": "서비스"}],
         "options": [{"text": "나쁨"}, {"text": "보통"}, {"text": "좋음"}]},
        {"type": "MatrixMultiple", "text": "<p>언제 방문하십니까?</p>", "rows": [{"text": "평일"}, {"text": "주말"}],
         "options": [{"text": "아침"}, {"text": "점심"}, {"text": "저녁"}]},
        {"type": "ShortText", "text": "<p>가장 좋아하는 메뉴는?</p>", "maxLength": 20},
        {"type": "LongText", "text": "<p>강남점에 하고 싶은 말씀을 적어 주세요.</p>", "showIf": {"parameter": "store", "equals": "강남점"}},
        {"type": "Number", "text": "<p>한 달에 얼마를 쓰십니까?</p>", "minValue": 0, "maxValue": 1000000, "unit": "원"},
        {"type": "Date", "text": "<p>마지막으로 방문한 날은?</p>"},
        {"type": "SingleChoice", "text": "<p>배달은 어떠셨습니까?</p>", "options": [{"text": "빨랐다"}, {"text": "느렸다"}],
         "showIf": {"questionRank": 3, "optionRank": 1}, "required": True},
        {"type": "PersonalInfo", "text": "<p>경품을 받을 연락처를 남겨 주세요.</p>", "fields": ["name", "cellphone", "email", "address", "birthDate"],
         "consent": "<p>경품 발송을 위한 개인정보 수집과 이용에 동의합니다. 보관 기간은 90일입니다.</p>"},
    ],
}
NOTE = "직원이 친절했어요.\n<script>alert('x')</script> & \"따옴표\""
# What is answered, in the form of the API.
pick = lambda *ranks: [{"rank": rank, "text": None} for rank in ranks]  # noqa: E731
ANSWERS = [
    {"questionRank": 2, "type": "SingleChoice", "options": pick(1)},
    {"questionRank": 3, "type": "MultipleChoice", "options": pick(1, 2)},
    {"questionRank": 4, "type": "Dropdown", "options": pick(2)},
    {"questionRank": 5, "type": "Ranking", "options": pick(3, 1, 4)},
    {"questionRank": 6, "type": "Scale", "value": 4},
    {"questionRank": 7, "type": "Nps", "value": 9},
    {"questionRank": 8, "type": "MatrixSingle", "rows": [{"rank": row, "options": pick(option)} for row, option in [(1, 3), (2, 2), (3, 3)]]},
    {"questionRank": 9, "type": "MatrixMultiple", "rows": [{"rank": 1, "options": pick(2)}, {"rank": 2, "options": pick(1, 3)}]},
    {"questionRank": 10, "type": "ShortText", "text": "김치찌개"},
    {"questionRank": 11, "type": "LongText", "text": NOTE},
    {"questionRank": 12, "type": "Number", "value": 35000},
    {"questionRank": 13, "type": "Date", "value": "2026-10-05"},
    {"questionRank": 14, "type": "SingleChoice", "options": pick(1)},
]
PERSON = {"name": "김널널", "cellphone": "01012345678", "email": "panel@example.com", "address": "서울시 강남구", "birthDate": "1990-02-03"}
MASKED = {"name": "김*널", "cellphone": "010****5678", "email": "pa***@example.com", "address": "서울시 ***", "birthDate": "1990-**-**"}


class Hub:
    def __init__(self):
        login = requests.post(f"{BASE}/api/v1/auth/login", json={"username": CREDENTIALS["username"], "password": CREDENTIALS["password"]})
        self.author = {"Authorization": f"Bearer {login.json()['access_token']}"}
        self.space = f"{BASE}/dataspace/v1/spaces/{CREDENTIALS['space_id']}"
        self.key = (CREDENTIALS["space_id"], CREDENTIALS["api_key"])

    def write(self, path, body=None):
        answer = requests.post(f"{self.space}{path}", json=body or {}, headers=self.author)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    def read(self, path, **query):
        answer = requests.get(f"{BASE}/v1{path}", params=query, auth=self.key)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    def survey(self, survey):
        return self.write("/surveys", survey)["surveyId"]

    def group(self, survey, start=True, **wish):
        group = self.write(f"/surveys/{survey}/collect-groups", {"name": "링크", "channel": "PUBLIC_LINK", "isUsingHmac": False, **wish})
        group = group["collectGroupId"]
        if start:
            self.write(f"/collect-groups/{group}/start")
        return group

    def link(self, group, **parameters):
        body = [{"parameters": [{"key": key, "value": value} for key, value in parameters.items()]}]
        links = requests.post(f"{BASE}/v1/collect-groups/{group}/response-urls", json=body, auth=self.key)
        assert links.status_code == 200, links.text
        return BASE + "/r/" + links.json()[0].split("/r/")[1]

    def newest(self, survey):
        return self.read("/responses", surveyId=survey)["responses"][0]


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
        self.page.on("console", lambda message: self.faults.append((self.name, message.text)) if message.type == "error" and "status of 4" not in message.text else None)
        self.page.on("pageerror", lambda error: self.faults.append((self.name, str(error))))
        self.twin, self.axe = chromium.new_context(**options).new_page(), axe

    def open(self, link, status=200):
        answer = self.page.goto(link)
        assert answer.status == status, (link, answer.status, self.page.inner_text("body"))
        return self.page

    def look(self, what):
        """A picture, axe, and what a phone needs."""
        Browser.pages += 1
        self.page.screenshot(path=PICTURES / f"{self.name}-{what}.png", full_page=True)
        page = self.page if self.script else self.still()
        found = page.evaluate(self.axe + "; axe.run(document, {resultTypes: ['violations']}).then(found => found.violations)")
        serious = [(fault["id"], fault["impact"], fault["nodes"][0]["html"]) for fault in found if fault["impact"] in ("serious", "critical")]
        assert not serious, (self.name, what, serious)
        minor = [f"{fault['id']} ({fault['impact']})" for fault in found]
        if minor:
            print(f"  {self.name} {what}: {', '.join(minor)}")
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), (self.name, what, "wider than the window")
        small = page.evaluate(
            "low => [...document.querySelectorAll('label.choice, label.grade, label.cell, button, select, textarea, input[type=text], input[type=date]')]"
            ".filter(e => e.offsetParent && e.getBoundingClientRect().height < low).map(e => e.outerHTML)", TOUCH)
        assert not small, (self.name, what, small)

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
    """A page of its own for each reason."""
    survey = hub.survey(SURVEY)
    signed, ready = hub.group(survey, isUsingHmac=True), hub.group(survey, start=False)
    paused, ended, full = hub.group(survey), hub.group(survey), hub.group(survey, targetCnt=1)
    hub.write(f"/collect-groups/{paused}/pause")
    hub.write(f"/collect-groups/{ended}/complete")
    tampered = hub.link(signed, store="강남점", uid="A-1").replace("uid=A-1", "uid=A-2")
    place = hub.link(full)
    answers = [answer for answer in ANSWERS if answer["questionRank"] in (2, 3, 4, 6, 8, 14)]
    token = requests.get(place + "/form").json()["sheetToken"]
    taken = requests.post(place + "/answers", json={"sheetToken": token, "answers": answers})
    assert taken.status_code == 200, taken.text
    cases = [("tampered", tampered, 403), ("not-started", hub.link(ready), 404), ("paused", hub.link(paused), 403), ("ended", hub.link(ended), 410),
             ("full", place, 410), ("unknown", f"{BASE}/r/a000000000000", 404)]
    for size in SIZES:
        browser = Browser(chromium, axe, size, True)
        for name, link, status in cases:
            page = browser.open(link, status)
            browser.look(f"refused-{name}")
            assert page.locator("form").count() == 0
        headings = f"{browser.name}: " + ", ".join(f"{name} {status}" for name, _, status in cases)
        print(headings)
        browser.close()


def english(hub, chromium, axe):
    survey = hub.survey({**SURVEY, "title": "Store satisfaction", "language": "en"})
    browser = Browser(chromium, axe, "phone", True)
    page = browser.open(hub.link(hub.group(survey)))
    assert page.get_attribute("html", "lang") == "en" and page.inner_text(".primary") == "Submit"
    browser.look("english")
    browser.close()


def main():
    hub = Hub()
    survey = hub.survey(SURVEY)
    group = hub.group(survey, isUsingHmac=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, f"axe-core@{AXE_VERSION}"]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
        axe = pathlib.Path(folder, "node_modules/axe-core/axe.min.js").read_text()
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium")
        print(f"Chromium {chromium.version}, axe-core {AXE_VERSION}")
        for (number, size), script in itertools.product(enumerate(SIZES), (True, False)):
            browser, uid = Browser(chromium, axe, size, script), f"P-{number}-{script}"
            began = time.monotonic()
            (with_script if script else without_script)(browser, hub.link(group, uid=uid, store="강남점"))
            answered(hub, survey, browser, uid)
            print(f"{browser.name}: 14 questions answered, a reload in the middle, read back exactly ({time.monotonic() - began:.1f} s)")
            browser.close()
            time.sleep(1.1)  # so that the next sheet is the newest one by its second
        refused(hub, chromium, axe)
        english(hub, chromium, axe)
        chromium.close()
    assert not Browser.faults, Browser.faults
    print(f"{Browser.pages} pages looked through: no serious or critical fault, nothing wider than the window, nothing to touch below {TOUCH} pixels, no message in the console")


main()
