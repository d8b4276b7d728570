//! Respondents' pages (dataspace.md section 11), as a browser without script uses them. What a browser makes of them is shown by
//! `cargo xtask prove pages`.

mod crowd;

use std::collections::HashSet;

use madang_tests::{Answer, Client, Login, Transport, on_every_hub};
use reqwest::Url;
use serde_json::{Value, json};

use super::Space;

const FORM: &str = "application/x-www-form-urlencoded";
/// Wrong signatures that are answered before one has to wait.
const WRONG_LINKS: usize = 20;

impl Space {
    /// The path and query of a group's link.
    async fn link(&self, group: &str, parameters: &[(&str, &str)]) -> String {
        let parameters: Vec<_> = parameters.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
        let target = format!("/v1/collect-groups/{group}/response-urls");
        let links = self.key.post(&target).json(&json!([{"parameters": parameters}])).send().await.is(200).json();
        let (_, link) = links[0].as_str().and_then(|link| link.split_once("/r/")).expect("a link");
        format!("/r/{link}")
    }

    /// A survey and the link of a running group.
    async fn collecting(&self, definition: &Value) -> (String, String) {
        let survey = self.survey(definition).await;
        let (_, serial) = self.running(&survey, json!({})).await;
        (survey, format!("/r/{serial}"))
    }

    async fn sheets(&self, survey: &str) -> Vec<Value> {
        self.responses(survey).await["responses"].as_array().expect("responses").clone()
    }
}

/// Sends a form; a redirect is followed.
async fn send(visitor: &Client, link: &str, fields: &[(&str, &str)]) -> Answer {
    let path = link.split('?').next().unwrap_or_default();
    let mut url = Url::parse("http://form").expect("a URL");
    url.query_pairs_mut().extend_pairs(fields);
    visitor.post(path).body(FORM, url.query().unwrap_or_default().to_owned()).send().await
}

/// The value of a control.
fn value(page: &Answer, name: &str) -> String {
    let behind = page.text.split_once(&format!(r#"name="{name}" value=""#)).map(|(_, behind)| behind);
    behind.and_then(|behind| behind.split('"').next()).map(str::to_owned).unwrap_or_default()
}

fn token(page: &Answer) -> String {
    let token = value(page, "sheet");
    assert!(token.len() > 20, "{page}");
    token
}

/// The ranks of the questions that are to be seen without script.
fn seen(page: &Answer) -> Vec<u32> {
    let mut seen = Vec::new();
    let mut rest = page.text.as_str();
    // what is laid by for the script stands in templates
    while let Some((before, behind)) = rest.split_once("<template>") {
        seen.extend(questions(before));
        rest = behind.split_once("</template>").map_or("", |(_, behind)| behind);
    }
    seen.extend(questions(rest));
    seen
}

fn questions(html: &str) -> Vec<u32> {
    let tags = html.split("<fieldset").skip(1).filter_map(|text| text.split('>').next()).filter(|tag| !tag.contains(" hidden"));
    tags.filter_map(|tag| tag.split_once(r#"data-question=""#)?.1.split('"').next()?.parse().ok()).collect()
}

fn is_thanks(page: &Answer) {
    assert!(page.status == 200 && page.text.contains("응답이 제출되었습니다"), "{page}");
}

#[tokio::test]
async fn every_type_is_answered_without_script_and_read_back() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let options = json!([{"text": "가"}, {"text": "나"}, {"text": "기타", "isOther": true}]);
        let plain = json!([{"text": "가"}, {"text": "나"}, {"text": "다"}]);
        let rows = json!([{"text": "하나"}, {"text": "둘"}]);
        let survey = json!({"title": "모든 유형", "questions": [
            {"type": "SingleChoice", "text": "1", "options": options, "required": true},
            {"type": "MultipleChoice", "text": "2", "options": options, "minSelection": 2},
            {"type": "Dropdown", "text": "3", "options": plain},
            {"type": "Ranking", "text": "4", "options": plain},
            {"type": "Scale", "text": "5", "minValue": 1, "maxValue": 5},
            {"type": "Nps", "text": "6"},
            {"type": "MatrixSingle", "text": "7", "rows": rows, "options": plain, "required": true},
            {"type": "MatrixMultiple", "text": "8", "rows": rows, "options": plain},
            {"type": "ShortText", "text": "9", "maxLength": 5},
            {"type": "LongText", "text": "10"},
            {"type": "Number", "text": "11", "minValue": -5000, "maxValue": 5000, "unit": "원"},
            {"type": "Date", "text": "12"},
            {"type": "PersonalInfo", "text": "13", "fields": ["name", "cellphone"], "consent": "동의"},
            {"type": "Description", "text": "<p>끝</p>"}]});
        let (survey, link) = space.collecting(&survey).await;
        let page = space.visitor.get(&link).send().await.is(200);
        assert_eq!(seen(&page), (1..=13).collect::<Vec<_>>());
        let sheet = token(&page);
        assert!(page.text.contains("-5,000 이상 5,000 이하의 숫자를 입력해 주세요."), "{page}");
        let fields = [
            ("sheet", sheet.as_str()),
            ("step", "0"),
            ("go", "next"),
            ("q1", "3"),
            ("q1.other.3", " 다른 것 "),
            ("q2", "1"),
            ("q2", "2"),
            ("q2.other.3", "고르지 않은 것"),
            ("q3", "2"),
            ("q4.place.1", "2"),
            ("q4.place.2", ""),
            ("q4.place.3", "1"),
            ("q5", "5"),
            ("q6", "0"),
            ("q7.row.1", "3"),
            ("q7.row.2", "1"),
            ("q8.row.2", "1"),
            ("q8.row.2", "2"),
            ("q9", "한글다섯자"),
            ("q10", "첫 줄\r\n둘째 줄 & <b>"),
            ("q11", "-2,000.5"),
            ("q12", "2026-02-28"),
            ("q13.name", "김널널"),
            ("q13.cellphone", "010-1234-5678"),
            ("q13.consent", "1"),
        ];
        is_thanks(&send(&space.visitor, &link, &fields).await);
        is_thanks(&send(&space.visitor, &link, &fields).await); // pressed twice
        let sheets = space.sheets(&survey).await;
        assert_eq!(sheets.len(), 1, "{sheets:?}");
        let answers = &sheets[0]["answers"];
        let pick = |rank: u32| json!({"rank": rank, "text": null});
        let wanted = json!([
            {"questionRank": 1, "type": "SingleChoice", "options": [{"rank": 3, "text": "다른 것"}]},
            {"questionRank": 2, "type": "MultipleChoice", "options": [pick(1), pick(2)]},
            {"questionRank": 3, "type": "Dropdown", "options": [pick(2)]},
            {"questionRank": 4, "type": "Ranking", "options": [pick(3), pick(1)]},
            {"questionRank": 5, "type": "Scale", "value": 5},
            {"questionRank": 6, "type": "Nps", "value": 0},
            {"questionRank": 7, "type": "MatrixSingle", "rows": [{"rank": 1, "options": [pick(3)]}, {"rank": 2, "options": [pick(1)]}]},
            {"questionRank": 8, "type": "MatrixMultiple", "rows": [{"rank": 2, "options": [pick(1), pick(2)]}]},
            {"questionRank": 9, "type": "ShortText", "text": "한글다섯자"},
            {"questionRank": 10, "type": "LongText", "text": "첫 줄\n둘째 줄 & <b>"},
            {"questionRank": 11, "type": "Number", "value": -2000.5},
            {"questionRank": 12, "type": "Date", "value": "2026-02-28"},
        ]);
        assert_eq!(answers.as_array().map(|answers| json!(answers[..12])), Some(wanted));
        assert_eq!(answers[12]["fields"]["name"], "김*널");
        assert!(!answers.to_string().contains("1234"), "personal information is masked: {answers}");
    })
    .await;
}

fn branching() -> Value {
    json!({"title": "갈림길", "parameters": [{"key": "store"}, {"key": "uid"}], "questions": [
        {"type": "SingleChoice", "text": "배달?", "options": [{"text": "예"}, {"text": "아니요"}], "required": true},
        {"type": "ShortText", "text": "어느 가게?", "showIf": {"questionRank": 1, "optionRank": 1}, "required": true},
        {"type": "ShortText", "text": "강남점은?", "showIf": {"parameter": "store", "equals": "강남점"}},
        {"type": "Nps", "text": "추천?", "required": true}]})
}

#[tokio::test]
async fn branches_go_step_by_step() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let (survey, link) = space.collecting(&branching()).await;
        let first = space.visitor.get(&link).send().await.is(200);
        assert_eq!(seen(&first), [1]);
        assert!(!first.text.contains("강남점은?"), "the link does not say so: {first}");
        let sheet = token(&first);
        let on = |step: &'static str, more: &[(&'static str, &'static str)]| {
            let fixed = [("sheet", sheet.clone()), ("step", step.to_owned())];
            let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
            let fields: Vec<(&str, String)> = fixed.into_iter().chain(more).collect();
            let (visitor, link) = (space.visitor.clone(), link.clone());
            async move {
                let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
                send(&visitor, &link, &fields).await
            }
        };
        let second = on("0", &[("go", "next"), ("q1", "1")]).await.is(200);
        assert_eq!(seen(&second), [2, 4]);
        let back = on("1", &[("go", "back"), ("q2", "저 가게"), ("q4", "7")]).await.is(200);
        assert_eq!(seen(&back), [1]);
        assert!(back.text.contains(r#"id="q1-1" name="q1" value="1" checked"#), "{back}");
        let changed = on("0", &[("go", "next"), ("q1", "2")]).await.is(200);
        assert_eq!(seen(&changed), [4]);
        assert!(changed.text.contains(r#"name="q4" value="7" checked"#), "what was answered is still there: {changed}");
        is_thanks(&on("1", &[("go", "next"), ("q2", "저 가게"), ("q4", "7")]).await);
        let ranks: Vec<_> = space.sheets(&survey).await[0]["answers"]
            .as_array()
            .expect("answers")
            .iter()
            .map(|answer| answer["questionRank"].clone())
            .collect();
        assert_eq!(ranks, [1, 4], "a question that was hidden in the end has no answer");
    })
    .await;
}

#[tokio::test]
async fn a_sheet_is_found_again() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let survey = space.survey(&branching()).await;
        let (group, _) = space.running(&survey, json!({"isUsingHmac": true})).await;
        let (link, other) = (space.link(&group, &[("uid", "A-1"), ("store", "강남점")]).await, space.link(&group, &[("uid", "A-2")]).await);
        let page = space.visitor.get(&link).send().await.is(200);
        let cookie = page.header("set-cookie").expect("a cookie").to_owned();
        let serial = link.split(['/', '?']).nth(2).expect("a serial");
        let (pair, attributes) = cookie.split_once("; ").expect("attributes");
        assert_eq!(attributes, format!("Path=/r/{serial}; Max-Age=1209600; HttpOnly; SameSite=Lax"));
        let secure = Client::new(&hub, Transport::Https).get(&link).send().await.is(200);
        assert!(secure.header("set-cookie").is_some_and(|cookie| cookie.ends_with("; Secure")), "{:?}", secure.headers);

        let sheet = token(&page);
        send(&space.visitor, &link, &[("sheet", &sheet), ("step", "all"), ("go", "save"), ("q1", "1"), ("q2", "\"가게\" <x>")])
            .await
            .is(204);
        let again = space.visitor.get(&link).header("cookie", pair).send().await.is(200);
        assert_eq!(value(&again, "q2"), "&quot;가게&quot; &lt;x&gt;", "{again}");
        assert_eq!(seen(&again), [2, 3, 4], "it goes on where something is missing");
        // Whoever comes with another link gets a sheet of his own.
        let stranger = space.visitor.get(&other).header("cookie", pair).send().await.is(200);
        assert_eq!((seen(&stranger), value(&stranger, "q2")), (vec![1], String::new()));
        // A cookie opens no link that is not signed, and a broken one is no cookie.
        space.visitor.get(&format!("/r/{serial}")).header("cookie", pair).send().await.is(403);
        space.visitor.get(&link).header("cookie", "sheet=%00\"; sheet").send().await.is(200);
        // The token alone counts when a form comes.
        let forged = space.visitor.post(&format!("/r/{serial}")).header("cookie", pair).body(FORM, "step=all&q1=2&q4=1").send().await;
        assert!(forged.is(400).text.contains("응답지를 열 수 없습니다"));
        is_thanks(&send(&space.visitor, &link, &[("sheet", &sheet), ("step", "all"), ("q1", "2"), ("q4", "3")]).await);
        // What was submitted is no longer open.
        let fresh = space.visitor.get(&link).header("cookie", pair).send().await.is(200);
        assert_eq!((seen(&fresh), value(&fresh, "q2")), (vec![1], String::new()));
    })
    .await;
}

#[tokio::test]
async fn problems_come_back_with_everything_that_was_written() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let survey = json!({"title": "<i>제목</i> & \"x\"", "questions": [
            {"type": "MultipleChoice", "text": "1", "options": [{"text": "가"}, {"text": "없음", "isExclusive": true}, {"text": "기타", "isOther": true}]},
            {"type": "Number", "text": "2", "minValue": 1, "required": true},
            {"type": "Date", "text": "3"},
            {"type": "ShortText", "text": "4", "maxLength": 3},
            {"type": "Ranking", "text": "5", "options": [{"text": "가"}, {"text": "나"}]},
            {"type": "PersonalInfo", "text": "6", "fields": ["email"], "consent": "동의"},
            {"type": "MatrixSingle", "text": "7", "rows": [{"text": "하나"}, {"text": "둘"}], "options": [{"text": "가"}, {"text": "나"}], "required": true}]});
        let (survey, link) = space.collecting(&survey).await;
        let page = space.visitor.get(&link).send().await.is(200);
        assert!(page.text.contains("<h1>&lt;i&gt;제목&lt;/i&gt; &amp; &quot;x&quot;</h1>"), "{page}");
        let sheet = token(&page);
        let hostile = "\"><script>alert(1)</script>";
        let fields = [
            ("sheet", sheet.as_str()), ("step", "0"), ("go", "next"), ("q1", "2"), ("q1", "3"), ("q1.other.3", hostile), ("q2", "약 다섯"),
            ("q3", "2026-02-30"), ("q4", "네 글자다"), ("q5.place.1", "1"), ("q5.place.2", "1"), ("q6.email", "아무거나"), ("q7.row.1", "1"),
        ];
        let wrong = send(&space.visitor, &link, &fields).await.is(422);
        for (control, text) in [
            ("q1-1", "1. 함께 선택할 수 없는 보기가 있습니다."),
            ("q2", "2. 숫자를 입력해 주세요."),
            ("q3", "3. 날짜를 2026-01-31과 같은 형식으로 입력해 주세요."),
            ("q4", "4. 글자 수가 너무 많습니다."),
            ("q5.place.1", "5. 같은 순위를 두 번 선택했습니다."),
            ("q6.consent", "6. 개인정보 수집에 동의해 주세요."),
            ("q7.row.2-1", "7. 모든 항목에 답변해 주세요."),
        ] {
            assert!(wrong.text.contains(&format!(r##"<a href="#{control}">{text}</a>"##)), "{text}: {}", wrong.text);
            assert!(wrong.text.contains(&format!(r#"id="{control}""#)), "{control} leads nowhere");
        }
        assert!(wrong.text.contains("확인이 필요한 질문이 7개 있습니다"));
        assert!(!wrong.text.contains("<script>") && wrong.text.contains("&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"), "{}", wrong.text);
        assert_eq!((value(&wrong, "q2"), value(&wrong, "q4")), ("약 다섯".to_owned(), "네 글자다".to_owned()));
        assert_eq!(value(&wrong, "q3"), "2026-02-30");
        assert!(space.sheets(&survey).await.is_empty(), "nothing was submitted");
        assert!(wrong.text.contains(r#"<span class="missing">답변 필요</span>"#), "the row without an answer is marked: {}", wrong.text);
        let consent = [("sheet", sheet.as_str()), ("step", "0"), ("q2", "1"), ("q6.email", "아무거나"), ("q6.consent", "1"), ("q7.row.1", "1"), ("q7.row.2", "2")];
        let wrong = send(&space.visitor, &link, &consent).await.is(422);
        assert!(wrong.text.contains(r##"<a href="#q6.email">6. 이메일: 형식이 올바르지 않습니다.</a>"##), "{}", wrong.text);
        let beside = r#"<label for="q6.email">이메일</label><p class="problem" id="problem-6">이메일: 형식이 올바르지 않습니다.</p>"#;
        assert!(wrong.text.contains(beside), "{}", wrong.text);
    })
    .await;
}

#[tokio::test]
async fn each_refusal_has_its_page() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let survey = space.survey(&json!({"title": "조사", "oneResponsePerUid": true, "parameters": [{"key": "uid"}], "questions": [{"type": "Nps", "text": "추천?"}]})).await;
        let [(paused, _), (ended, _), (open, _)] =
            [space.running(&survey, json!({})).await, space.running(&survey, json!({})).await, space.running(&survey, json!({})).await];
        space.act("POST", &format!("/collect-groups/{paused}/pause"), &json!({})).await.is(200);
        space.act("POST", &format!("/collect-groups/{ended}/complete"), &json!({})).await.is(200);
        let ready = json!({"name": "준비", "channel": "PUBLIC_LINK"});
        let ready = space.act("POST", &format!("/surveys/{survey}/collect-groups"), &ready).await.is(200).text_of("collectGroupId");
        let (full, _) = space.running(&survey, json!({"targetCnt": 1})).await;
        let (signed, _) = space.running(&survey, json!({"isUsingHmac": true})).await;
        let (over, _) = space.running(&survey, json!({"isUsingHmac": true})).await;

        let link = space.link(&full, &[]).await;
        let [sheet, late] = [token(&space.visitor.get(&link).send().await.is(200)), token(&space.visitor.get(&link).send().await.is(200))];
        is_thanks(&send(&space.visitor, &link, &[("sheet", &sheet), ("step", "0"), ("q1", "9")]).await);
        is_thanks(&send(&space.visitor, &link, &[("sheet", &sheet), ("step", "0"), ("q1", "9")]).await); // the last place, pressed twice
        refuses(&send(&space.visitor, &link, &[("sheet", &late), ("step", "0"), ("q1", "9")]).await, 410, "설문이 마감되었습니다");

        let uid = space.link(&open, &[("uid", "A-1")]).await;
        let [first, second] = [token(&space.visitor.get(&uid).send().await.is(200)), token(&space.visitor.get(&uid).send().await.is(200))];
        is_thanks(&send(&space.visitor, &uid, &[("sheet", &first), ("step", "0")]).await);
        refuses(&send(&space.visitor, &uid, &[("sheet", &second), ("step", "0")]).await, 409, "이미 응답하셨습니다");

        let tampered = space.link(&signed, &[("uid", "A-1")]).await.replace("A-1", "A-2");
        for (link, status, heading) in [
            (space.link(&ready, &[]).await, 404, "아직 시작되지 않은 설문입니다"),
            (space.link(&paused, &[]).await, 403, "잠시 중지된 설문입니다"),
            (space.link(&ended, &[]).await, 410, "종료된 설문입니다"),
            (link, 410, "설문이 마감되었습니다"),
            (tampered.clone(), 403, "올바르지 않은 링크입니다"),
            (uid, 409, "이미 응답하셨습니다"),
            ("/r/a000000000000".to_owned(), 404, "설문을 찾을 수 없습니다"),
            ("/r/%ff%fe".to_owned(), 404, "설문을 찾을 수 없습니다"),
            ("/r/a000000000000/thanks".to_owned(), 404, "설문을 찾을 수 없습니다"),
        ] {
            refuses(&space.visitor.get(&link).send().await, status, heading);
        }
        let right = space.link(&over, &[("uid", "A-1")]).await;
        space.act("POST", &format!("/collect-groups/{over}/complete"), &json!({})).await.is(200);
        refuses(&space.visitor.get(&right.replace("A-1", "A-2")).send().await, 403, "올바르지 않은 링크입니다");
        refuses(&space.visitor.get(&right).send().await, 410, "종료된 설문입니다");
        let english = space.visitor.get("/r/a000000000000").header("accept-language", "en-GB,en;q=0.9,ko;q=0.8").send().await.is(404);
        assert!(english.text.contains(r#"<html lang="en">"#) && english.text.contains("There is no such survey"), "{english}");

        for _ in 1..WRONG_LINKS {
            space.visitor.get(&tampered).send().await.is(403);
        }
        let limited = space.visitor.get(&tampered).send().await;
        assert!(limited.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()), "{:?}", limited.headers);
        refuses(&limited, 429, "요청이 너무 많습니다");
    })
    .await;
}

#[track_caller]
fn refuses(page: &Answer, status: u16, heading: &str) {
    assert_eq!(page.status, status, "{page}");
    assert!(page.text.contains(&format!("<h1>{heading}</h1>")) && !page.text.contains("<form"), "{page}");
    guarded(page);
}

/// Nothing of a page runs or comes from elsewhere, and nobody keeps, frames or indexes it.
#[track_caller]
fn guarded(page: &Answer) {
    let policy = page.header("content-security-policy").unwrap_or_default();
    for rule in
        ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"]
    {
        assert!(policy.contains(rule), "{policy}");
    }
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-robots-tag", "noindex, nofollow"),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    assert!(!page.text.contains(" style=") && !page.text.contains("<style") && !page.text.contains(" onclick"), "{page}");
}

/// A letter of Hangul has nine bytes in a form and three in an answer, where it counts.
#[tokio::test]
async fn long_answers_in_hangul_fit() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let (survey, link) =
            space.collecting(&json!({"title": "긴 글", "questions": vec![json!({"type": "LongText", "text": "?"}); 16]})).await;
        let sheet = token(&space.visitor.get(&link).send().await.is(200));
        let (names, text) = ((1..=16).map(|rank| format!("q{rank}")).collect::<Vec<_>>(), "글".repeat(5_000));
        let answers = names.iter().map(|name| (name.as_str(), text.as_str()));
        let fields: Vec<_> = [("sheet", sheet.as_str()), ("step", "0"), ("go", "next")].into_iter().chain(answers).collect();
        is_thanks(&send(&space.visitor, &link, &fields).await);
        assert_eq!(space.sheets(&survey).await[0]["answers"].as_array().map(Vec::len), Some(16));
    })
    .await;
}

#[tokio::test]
async fn pages_are_guarded_and_need_no_credential() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let (_, link) =
            space.collecting(&json!({"title": "Survey", "language": "en", "questions": [{"type": "Nps", "text": "Recommend?"}]})).await;
        for login in [Login::Nobody, Login::bearer("forged.forged.forged"), Login::basic("a", "b"), hub.ckan_token()] {
            let page = space.visitor.with(login).get(&link).send().await.is(200);
            assert!(page.text.starts_with(r#"<!DOCTYPE html><html lang="en">"#) && page.text.contains(">Submit</button>"), "{page}");
            guarded(&page);
        }
        let page = space.visitor.get(&link).send().await.is(200);
        let files: HashSet<_> = page.text.split('"').filter(|part| part.starts_with("/r/page/")).collect();
        assert_eq!(files.len(), 2, "{page}");
        for file in files {
            let file = space.visitor.get(file).send().await.is(200);
            assert!(file.header("cache-control").is_some_and(|rule| rule.contains("max-age")) && !file.bytes.is_empty());
        }
        let (path, sheet) = (link.clone(), token(&page));
        for digits in [400_000, 900_000] {
            let large = format!("sheet={sheet}&step=0&q1={}", "9".repeat(digits));
            refuses_in_english(&space.visitor.post(&path).body(FORM, large).send().await, 413, "Your answers are too long");
        }
        refuses_in_english(
            &space.visitor.post(&path).body("text/plain", format!("sheet={sheet}&step=0")).send().await,
            400,
            "This answer sheet can&#39;t be opened",
        );
        for step in ["", "-1", "x", "99999999999999999999999"] {
            send(&space.visitor, &link, &[("sheet", &sheet), ("step", step)]).await.is(400);
        }
        send(&space.visitor, &link, &[("sheet", &sheet), ("step", "77"), ("go", "back")]).await.is(200);
    })
    .await;
}

#[track_caller]
fn refuses_in_english(page: &Answer, status: u16, heading: &str) {
    assert_eq!(page.status, status, "{page}");
    assert!(page.text.contains(heading) || page.text.contains(&heading.replace("&#39;", "'")), "{page}");
    guarded(page);
}
