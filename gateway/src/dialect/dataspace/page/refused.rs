//! A page of its own for each reason why a link does not lead to a form.

use axum::{
    http::{HeaderValue, StatusCode, header::RETRY_AFTER, request::Parts},
    response::{IntoResponse, Response},
};
use madang_kit::{Principal, rpc};
use madang_proto::survey::v1::{FindLinkRequest, Link};
use maud::html;

use super::{super::Refusal, document, words::Words};
use crate::{Gateway, dialect::request};

/// Seconds until it is worth trying again when a part of the hub is away.
const AWAY_SECONDS: u16 = 10;

/// What a refusal is called (error.rs), and what it says in Korean and in English: a heading and a sentence.
const PAGES: [(&str, [&str; 2], [&str; 2]); 11] = [
    (
        "NOT_STARTED",
        ["아직 시작되지 않은 설문입니다", "설문이 시작된 뒤에 같은 링크로 다시 방문해 주세요."],
        ["This survey has not started yet", "Please come back with the same link once it has started."],
    ),
    (
        "PAUSED",
        ["잠시 중지된 설문입니다", "설문이 다시 시작되면 같은 링크로 이어서 응답할 수 있습니다."],
        ["This survey is paused", "You can go on with the same link once it continues."],
    ),
    ("COMPLETED", ["종료된 설문입니다", "관심을 가져 주셔서 감사합니다."], ["This survey has ended", "Thank you for your interest."]),
    (
        "FULL",
        ["설문이 마감되었습니다", "목표한 응답 수가 모두 채워졌습니다. 관심을 가져 주셔서 감사합니다."],
        ["This survey is complete", "It has received all the responses it needs. Thank you for your interest."],
    ),
    (
        "ALREADY_ANSWERED",
        ["이미 응답하셨습니다", "이 설문은 한 번만 응답할 수 있습니다. 참여해 주셔서 감사합니다."],
        ["You have already answered", "This survey can be answered once. Thank you for taking part."],
    ),
    (
        "FORBIDDEN",
        ["올바르지 않은 링크입니다", "링크의 일부가 바뀌었거나 빠졌습니다. 받은 링크를 그대로 다시 열어 주세요."],
        ["This link is not valid", "A part of it was changed or is missing. Please open the link exactly as you received it."],
    ),
    (
        "NOT_FOUND",
        ["설문을 찾을 수 없습니다", "링크 주소를 다시 확인해 주세요."],
        ["There is no such survey", "Please check the address of the link."],
    ),
    (
        "INVALID_PARAMETER",
        ["응답지를 열 수 없습니다", "시간이 지났거나 다른 설문의 응답지입니다. 받은 링크를 다시 열어 주세요."],
        ["This answer sheet can't be opened", "It is too old or belongs to another survey. Please open your link again."],
    ),
    (
        "TOO_LARGE",
        ["답변이 너무 깁니다", "이전 화면으로 돌아가 답변을 줄여 주세요."],
        ["Your answers are too long", "Please go back and shorten them."],
    ),
    ("TOO_MANY_REQUESTS", ["요청이 너무 많습니다", "잠시 후 다시 시도해 주세요."], ["Too many requests", "Please try again in a while."]),
    (
        "UNAVAILABLE",
        ["지금은 설문을 열 수 없습니다", "잠시 후 다시 시도해 주세요. 저장된 답변은 그대로 남아 있습니다."],
        ["The survey can't be opened right now", "Please try again in a while. Answers that were saved are still there."],
    ),
];

/// What is said of anything else.
const ELSE: ([&str; 2], [&str; 2]) =
    (["문제가 발생했습니다", "잠시 후 다시 시도해 주세요."], ["Something went wrong", "Please try again in a while."]);

/// The page of a refusal, in the language of the survey that the link leads to, if it leads to any.
pub(super) async fn page(gateway: &Gateway, serial: &str, parts: &Parts, refusal: Refusal) -> Response {
    let name = refusal.name();
    let told = refusal.into_response(); // status, time to wait, and the line in the log if it is a fault of ours
    let is_of_a_survey = told.status() != StatusCode::TOO_MANY_REQUESTS && told.status() != StatusCode::SERVICE_UNAVAILABLE;
    let link = if is_of_a_survey { find_link(gateway, serial, parts).await } else { None };
    let words = link.as_ref().map_or_else(|| Words::of_browser(&parts.headers), |link| Words::of_link(&link.language));
    draw(name, &told, words, link.as_ref().map(|link| link.title.as_str()))
}

fn draw(name: &str, told: &Response, words: Words, title: Option<&str>) -> Response {
    let texts = PAGES.iter().find(|page| page.0 == name).map_or(ELSE, |page| (page.1, page.2));
    let ([heading, advice], [english_heading, english_advice]) = texts;
    let heading = words.pick(heading, english_heading);
    let content = html! {
        div.notice {
            @if let Some(title) = title { p.survey-title { (title) } }
            h1 { (heading) }
            p { (words.pick(advice, english_advice)) }
        }
    };
    let mut response = document::page(told.status(), words, heading, &content, false);
    let wait = match told.status() {
        StatusCode::SERVICE_UNAVAILABLE => Some(HeaderValue::from(AWAY_SECONDS)),
        _ => told.headers().get(RETRY_AFTER).cloned(),
    };
    if let Some(wait) = wait {
        response.headers_mut().insert(RETRY_AFTER, wait);
    }
    response
}

/// What the link leads to, closed or not.
pub(super) async fn find_link(gateway: &Gateway, serial: &str, parts: &Parts) -> Option<Link> {
    let context = request::context(&parts.extensions, Principal::anonymous());
    let request = rpc::request(&context, FindLinkRequest { serial: serial.to_owned() });
    gateway.respondents.clone().find_link(request).await.ok().map(tonic::Response::into_inner)
}

#[cfg(test)]
mod tests {
    use madang_kit::{Code, Error, survey::Language};

    use super::*;

    #[test]
    fn a_service_that_is_away_says_when_to_come_again() {
        let refusal = Refusal::from(Error::new(Code::Unavailable, "no connection"));
        let name = refusal.name();
        assert!(PAGES.iter().any(|page| page.0 == name));
        let page = draw(name, &refusal.into_response(), Words(Language::Ko), None);
        assert_eq!(
            (page.status(), page.headers().get(RETRY_AFTER)),
            (StatusCode::SERVICE_UNAVAILABLE, Some(&HeaderValue::from(AWAY_SECONDS)))
        );
    }
}
