//! HTML of authors, made harmless when it is saved: respondents' browsers show it as it is.

use madang_kit::survey::Definition;

/// Cleans every HTML text of a survey.
pub(crate) fn definition(definition: &mut Definition) {
    for question in &mut definition.questions {
        clean(&mut question.text);
        question.consent.iter_mut().for_each(clean);
        question.options.iter_mut().for_each(|option| clean(&mut option.text));
        question.rows.iter_mut().for_each(|row| clean(&mut row.text));
    }
}

fn clean(html: &mut String) {
    *html = ammonia::clean(html);
}

#[cfg(test)]
mod tests {
    use super::Definition;

    #[test]
    fn scripts_go_and_markup_stays() {
        let text = r#"{"title": "t", "questions": [{"type": "LongText", "text": "<p onclick=\"x()\">매장은 <b>어디</b>?<script>alert(1)</script></p>"}]}"#;
        let mut definition = Definition::read(text).expect("a survey");
        super::definition(&mut definition);
        assert_eq!(definition.questions[0].text, "<p>매장은 <b>어디</b>?</p>");
    }
}
