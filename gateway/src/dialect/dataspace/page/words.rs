//! What pages say, in the survey's language.

use axum::http::{HeaderMap, header::ACCEPT_LANGUAGE};
use madang_kit::survey::{Language, PersonalField};

/// The words of a language.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words(pub(super) Language);

impl Words {
    /// Of a browser's language: for who follows a link to no survey.
    pub(super) fn of_browser(headers: &HeaderMap) -> Self {
        let wanted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let first = |language: &str| wanted.find(language).unwrap_or(usize::MAX);
        Self(if first("en") < first("ko") { Language::En } else { Language::Ko })
    }

    /// Of a survey's language as gRPC carries it.
    pub(super) fn of_link(language: &str) -> Self {
        Self(if language == "en" { Language::En } else { Language::Ko })
    }

    /// For `lang`.
    pub(super) fn code(self) -> &'static str {
        self.pick("ko", "en")
    }

    /// One of the two.
    pub(super) fn pick<'a>(self, korean: &'a str, english: &'a str) -> &'a str {
        match self.0 {
            Language::Ko => korean,
            Language::En => english,
        }
    }

    pub(super) fn problems(self, count: usize) -> String {
        match self.0 {
            Language::Ko => format!("확인이 필요한 질문이 {count}개 있습니다"),
            Language::En if count == 1 => "One question needs another look".to_owned(),
            Language::En => format!("{count} questions need another look"),
        }
    }

    pub(super) fn step(self, step: usize, steps: usize) -> String {
        match self.0 {
            Language::Ko => format!("{steps}단계 중 {step}단계"),
            Language::En => format!("Step {step} of {steps}"),
        }
    }

    /// How many of how many, both filled in by the script.
    pub(super) fn answered(self) -> &'static str {
        self.pick("질문 {all}개 중 {answered}개에 답함", "{answered} of {all} questions answered")
    }

    pub(super) fn field(self, field: PersonalField) -> &'static str {
        match field {
            PersonalField::Name => self.pick("이름", "Name"),
            PersonalField::Cellphone => self.pick("휴대전화 번호", "Mobile number"),
            PersonalField::Email => self.pick("이메일", "Email"),
            PersonalField::Address => self.pick("주소", "Address"),
            PersonalField::BirthDate => self.pick("생년월일", "Date of birth"),
        }
    }

    /// How many options are to be picked.
    pub(super) fn selection(self, fewest: u32, most: u32) -> String {
        match (self.0, fewest == most, fewest) {
            (Language::Ko, true, _) => format!("{most}개를 선택해 주세요."),
            (Language::Ko, _, 0 | 1) => format!("{most}개까지 선택할 수 있습니다."),
            (Language::Ko, ..) => format!("{fewest}개에서 {most}개까지 선택해 주세요."),
            (Language::En, true, _) => format!("Choose {most}."),
            (Language::En, _, 0 | 1) => format!("Choose up to {most}."),
            (Language::En, ..) => format!("Choose {fewest} to {most}."),
        }
    }

    /// What a number lies between.
    pub(super) fn range(self, least: Option<String>, largest: Option<String>) -> Option<String> {
        Some(match (self.0, least, largest) {
            (_, None, None) => return None,
            (Language::Ko, Some(least), Some(largest)) => format!("{least} 이상 {largest} 이하의 숫자를 입력해 주세요."),
            (Language::Ko, Some(least), None) => format!("{least} 이상의 숫자를 입력해 주세요."),
            (Language::Ko, None, Some(largest)) => format!("{largest} 이하의 숫자를 입력해 주세요."),
            (Language::En, Some(least), Some(largest)) => format!("Enter a number from {least} to {largest}."),
            (Language::En, Some(least), None) => format!("Enter a number of at least {least}."),
            (Language::En, None, Some(largest)) => format!("Enter a number of at most {largest}."),
        })
    }

    pub(super) fn at_most_chars(self, chars: u32) -> String {
        match self.0 {
            Language::Ko => format!("최대 {chars}자까지 입력할 수 있습니다."),
            Language::En => format!("At most {chars} characters."),
        }
    }

    /// A place of a ranking.
    pub(super) fn place(self, place: usize) -> String {
        match self.0 {
            Language::Ko => format!("{place}순위"),
            Language::En => format!("Place {place}"),
        }
    }

    /// What a broken rule of an answer means to who broke it (kit/src/survey/judge.rs).
    pub(super) fn rule(self, rule: &str) -> &'static str {
        match rule {
            "required" => self.pick("답변해 주세요.", "Please answer this question."),
            "rows" => self.pick("모든 항목에 답변해 주세요.", "Please answer every row."),
            "tie" => self.pick("같은 순위를 두 번 선택했습니다.", "The same place was given twice."),
            "selection" => self.pick("선택한 개수가 맞지 않습니다.", "The number of chosen options does not fit."),
            "exclusive" => self.pick("함께 선택할 수 없는 보기가 있습니다.", "One of the options excludes the others."),
            "number" => self.pick("숫자를 입력해 주세요.", "Please enter a number."),
            "whole" => self.pick("정수를 선택해 주세요.", "Please choose a whole number."),
            "range" => self.pick("입력할 수 있는 범위를 벗어났습니다.", "The number is out of range."),
            "too_long" => self.pick("글자 수가 너무 많습니다.", "The text is too long."),
            "date" => self.pick("날짜를 2026-01-31과 같은 형식으로 입력해 주세요.", "Please enter a date such as 2026-01-31."),
            "consent" => {
                self.pick("개인정보 수집에 동의해 주세요.", "Please agree to the use of your personal information, or leave it out.")
            }
            "pattern" => self.pick("형식이 올바르지 않습니다.", "This does not look right."),
            _ => self.pick("답변을 확인해 주세요.", "Please look at this answer again."),
        }
    }
}
