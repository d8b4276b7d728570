//! Words of SQL that stand where a table is named. The parser says what it misses after such a word; here it is said which to quote.

use datafusion::sql::sqlparser::{
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan, Word},
};
use madang_lake::Error;

use super::statement::statements;

/// Words that are tried one by one.
const TRIED: usize = 20;

/// The refusal of a statement that would be one if words were quoted; nothing if something else is wrong with it.
pub(super) fn told(tokens: &[TokenWithSpan]) -> Option<Error> {
    let named = words_of_sql(tokens);
    let every = (named.len() > 1).then(|| named.clone());
    let mut sets = named.into_iter().take(TRIED).map(|place| vec![place]).chain(every);
    let places = sets.find(|places| statements(quoted(tokens, places)).is_ok())?;
    let mut words: Vec<_> = places.iter().filter_map(|place| word(tokens.get(*place)?)).map(|word| word.value.as_str()).collect();
    words.dedup();
    let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
    Some(Error::invalid(format!(
        "{} is a word of SQL; as a table's name write it in double quotes: {}",
        words.join(", "),
        quoted.join(", ")
    )))
}

/// Where unquoted words of SQL follow `FROM`, `JOIN` or a comma.
fn words_of_sql(tokens: &[TokenWithSpan]) -> Vec<usize> {
    let mut places = Vec::new();
    let mut after_name = false;
    for (place, token) in tokens.iter().enumerate().filter(|(_, token)| !matches!(token.token, Token::Whitespace(_))) {
        let keyword = word(token).map_or(Keyword::NoKeyword, |word| word.keyword);
        if after_name && keyword != Keyword::NoKeyword {
            places.push(place);
        }
        after_name = matches!(keyword, Keyword::FROM | Keyword::JOIN) || token.token == Token::Comma;
    }
    places
}

fn word(token: &TokenWithSpan) -> Option<&Word> {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word),
        _ => None,
    }
}

/// The tokens with the words at these places quoted.
fn quoted(tokens: &[TokenWithSpan], places: &[usize]) -> Vec<TokenWithSpan> {
    let mut tokens = tokens.to_vec();
    for place in places {
        if let Some(TokenWithSpan { token: Token::Word(word), .. }) = tokens.get_mut(*place) {
            *word = Word { quote_style: Some('"'), keyword: Keyword::NoKeyword, value: std::mem::take(&mut word.value) };
        }
    }
    tokens
}
