//! HTML of a survey as plain words, for labels and headings of tables.

/// The text of sanitised HTML: without tags, the usual entities resolved, blanks joined.
pub fn plain_text(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, behind)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        rest = behind.split_once('>').map_or("", |(_, behind)| behind);
    }
    text.push_str(rest);
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")];
    let text = named.into_iter().fold(text, |text, (entity, character)| text.replace(entity, character));
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_stay_and_tags_go() {
        assert_eq!(super::plain_text("<p>주로 <b>이용</b>하는&nbsp;매장은? &lt;1&gt; &amp;lt;</p>"), "주로 이용 하는 매장은? <1> &lt;");
        assert_eq!(super::plain_text("a <unclosed"), "a");
    }
}
