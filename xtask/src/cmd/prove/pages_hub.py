"""What `pages.py` asks, what is answered, and the hub behind it."""

import json
import sys

import requests

BASE, CREDENTIALS = sys.argv[1], json.load(open(sys.argv[2]))

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
        {"type": "SingleChoice", "text": "<p>2층 자리는 어떠셨습니까?</p>", "options": [{"text": "편안했다"}, {"text": "불편했다"}],
         "showIf": {"questionRank": 4, "optionRank": 2}, "required": True},
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

    def submit(self, link, answers):
        """Somebody else answers, without a browser."""
        path, _, query = link.partition("?")
        sheet = requests.get(f"{path}/form?{query}").json()["sheetToken"]
        answer = requests.post(f"{path}/answers", json={"sheetToken": sheet, "answers": answers})
        assert answer.status_code == 200, answer.text

    def newest(self, survey):
        return self.read("/responses", surveyId=survey)["responses"][0]
