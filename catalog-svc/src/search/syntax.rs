//! The subset of Lucene's query language that CKAN's callers write (ckan.md 5.4), read into a small tree.
//!
//! Juxtaposition means AND; operators bind as in Lucene's own parser, which knows required, optional and prohibited clauses and no
//! precedence: `a OR b AND c` is `a +b +c`.

/// The longest query, in bytes.
pub(super) const QUERY_BYTES: usize = 64 << 10;
/// Parentheses within one another.
const DEPTH_MAX: usize = 32;
/// Terms of one query.
const TERMS_MAX: usize = 2_048;
/// Wildcards of one term.
const WILDCARDS_MAX: usize = 8;
/// The longest term with wildcards, in characters.
const PATTERN_MAX: usize = 200;
/// The widest slop of a phrase.
const SLOP_MAX: u32 = 100;

/// What a clause has to do with what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occur {
    Must,
    Should,
    Not,
}

/// A query.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Clauses(Vec<(Occur, Node)>),
    Boost(Box<Node>, f32),
    /// `*:*`
    All,
    Leaf {
        /// `None` = the default field.
        field: Option<String>,
        what: What,
    },
}

/// What is asked of a field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    Term(String),
    Phrase {
        text: String,
        slop: u32,
    },
    Wild(Vec<Piece>),
    Fuzzy {
        text: String,
        distance: u8,
    },
    Range {
        from: Option<End>,
        to: Option<End>,
    },
    /// `field:*`
    Present,
}

/// A part of a term with wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// `*`
    Many,
    /// `?`
    One,
}

/// An end of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) text: String,
    pub(super) included: bool,
}

/// Reads a query.
///
/// # Errors
/// What is wrong with it, for its writer.
pub(super) fn parse(text: &str) -> Result<Node, String> {
    if text.len() > QUERY_BYTES {
        return Err(format!("the query is longer than {QUERY_BYTES} bytes"));
    }
    let mut parser = Parser { letters: text.chars().collect(), at: 0, depth: 0, terms: 0 };
    let node = parser.clauses(None)?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.unexpected()),
    }
}

struct Parser {
    letters: Vec<char>,
    at: usize,
    depth: usize,
    terms: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Conjunction {
    None,
    And,
    Or,
}

/// A word of the query, before it is known what it is.
struct Word {
    pieces: Vec<Piece>,
    /// It has an escape, so that it is no operator.
    escaped: bool,
}

impl Word {
    /// Its text, if it has no wildcards.
    fn text(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    fn is(&self, operator: &str) -> bool {
        !self.escaped && self.text() == Some(operator)
    }
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    fn behind(&self, distance: usize) -> Option<char> {
        self.letters.get(self.at + distance).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn take(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        if there {
            self.at += 1;
        }
        there
    }

    fn unexpected(&self) -> String {
        match self.peek() {
            Some(letter) => format!("Cannot parse the query: Encountered \"{letter}\" at column {}", self.at),
            None => format!("Cannot parse the query: Encountered \"<EOF>\" at column {}", self.at),
        }
    }

    /// Clauses up to the end or to a closing parenthesis.
    fn clauses(&mut self, field: Option<&str>) -> Result<Node, String> {
        let mut clauses: Vec<(Occur, Node)> = Vec::new();
        loop {
            let conjunction = self.conjunction()?;
            self.skip_blanks();
            if matches!(self.peek(), None | Some(')')) {
                if conjunction != Conjunction::None || clauses.is_empty() {
                    return Err(self.unexpected());
                }
                break;
            }
            if conjunction != Conjunction::None && clauses.is_empty() {
                return Err("Cannot parse the query: Encountered an operator at its start".to_owned());
            }
            let (required, prohibited) = self.modifier();
            let node = self.clause(field)?;
            if let Some((occur, _)) = clauses.last_mut().filter(|(occur, _)| *occur != Occur::Not) {
                match conjunction {
                    Conjunction::And => *occur = Occur::Must,
                    Conjunction::Or if !required => *occur = Occur::Should,
                    _ => {}
                }
            }
            let occur = if prohibited {
                Occur::Not
            } else if conjunction == Conjunction::Or && !required {
                Occur::Should
            } else {
                Occur::Must
            };
            clauses.push((occur, node));
        }
        Ok(match clauses.pop() {
            Some((occur, node)) if clauses.is_empty() && occur != Occur::Not => node,
            Some(last) => {
                clauses.push(last);
                Node::Clauses(clauses)
            }
            None => Node::All,
        })
    }

    /// `AND`, `OR`, `&&`, `||`; `NOT` is a modifier.
    fn conjunction(&mut self) -> Result<Conjunction, String> {
        self.skip_blanks();
        for (signs, conjunction) in [("&&", Conjunction::And), ("||", Conjunction::Or)] {
            if signs.chars().enumerate().all(|(distance, sign)| self.behind(distance) == Some(sign)) {
                self.at += 2;
                return Ok(conjunction);
            }
        }
        let start = self.at;
        if self.peek().is_some_and(|letter| letter == 'A' || letter == 'O') {
            let word = self.word()?;
            let ends = self.peek() != Some(':');
            if ends && word.is("AND") {
                return Ok(Conjunction::And);
            }
            if ends && word.is("OR") {
                return Ok(Conjunction::Or);
            }
            self.at = start;
        }
        Ok(Conjunction::None)
    }

    /// Whether the next clause is required, and whether it is prohibited.
    fn modifier(&mut self) -> (bool, bool) {
        let (mut required, mut prohibited) = (false, false);
        loop {
            self.skip_blanks();
            if self.take('+') {
                required = true;
            } else if self.take('-') || self.take('!') {
                prohibited = !prohibited;
            } else if self.is_not() {
                self.at += 3;
                prohibited = !prohibited;
            } else {
                return (required, prohibited);
            }
        }
    }

    fn is_not(&self) -> bool {
        let starts = "NOT".chars().enumerate().all(|(distance, letter)| self.behind(distance) == Some(letter));
        starts && self.behind(3).is_none_or(|next| next.is_whitespace() || next == '(')
    }

    fn clause(&mut self, field: Option<&str>) -> Result<Node, String> {
        self.skip_blanks();
        let start = self.at;
        if self.peek().is_some_and(|letter| !"(\"[{".contains(letter)) {
            let word = self.word()?;
            if self.take(':') {
                self.skip_blanks();
                return match word.pieces.as_slice() {
                    [Piece::Many] => {
                        let value = self.word()?;
                        if value.pieces == [Piece::Many] { self.boosted(Node::All) } else { Err("'*' is no field".to_owned()) }
                    }
                    [Piece::Text(name)] => self.atom(Some(name)),
                    _ => Err("Cannot parse the query: the name of a field has no wildcards".to_owned()),
                };
            }
            self.at = start;
        }
        self.atom(field)
    }

    fn atom(&mut self, field: Option<&str>) -> Result<Node, String> {
        self.terms += 1;
        if self.terms > TERMS_MAX {
            return Err(format!("the query has more than {TERMS_MAX} terms"));
        }
        let leaf = |what| Node::Leaf { field: field.map(str::to_owned), what };
        let node = match self.peek() {
            Some('(') => self.group(field)?,
            Some('"') => {
                let text = self.quoted()?;
                let slop = if self.take('~') { self.digits().parse().unwrap_or(0).min(SLOP_MAX) } else { 0 };
                leaf(What::Phrase { text, slop })
            }
            Some('[' | '{') => leaf(self.range()?),
            _ => {
                let word = self.word()?;
                leaf(self.term(word)?)
            }
        };
        self.boosted(node)
    }

    fn term(&mut self, word: Word) -> Result<What, String> {
        if let Some(text) = word.text() {
            let text = text.to_owned();
            if self.take('~') {
                return Ok(What::Fuzzy { text, distance: distance(self.number()) });
            }
            return Ok(What::Term(text));
        }
        if word.pieces == [Piece::Many] {
            return Ok(What::Present);
        }
        let wildcards = word.pieces.iter().filter(|piece| !matches!(piece, Piece::Text(_))).count();
        let letters: usize = word.pieces.iter().map(|piece| if let Piece::Text(text) = piece { text.chars().count() } else { 1 }).sum();
        if wildcards > WILDCARDS_MAX || letters > PATTERN_MAX {
            return Err(format!("a term with wildcards has at most {WILDCARDS_MAX} of them and {PATTERN_MAX} characters"));
        }
        Ok(What::Wild(word.pieces))
    }

    fn boosted(&mut self, node: Node) -> Result<Node, String> {
        if !self.take('^') {
            return Ok(node);
        }
        match self.number() {
            Some(boost) if boost.is_finite() => Ok(Node::Boost(Box::new(node), boost)),
            _ => Err(self.unexpected()),
        }
    }

    fn group(&mut self, field: Option<&str>) -> Result<Node, String> {
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("parentheses are nested more than {DEPTH_MAX} deep"));
        }
        let node = self.clauses(field)?;
        self.depth -= 1;
        if self.take(')') { Ok(node) } else { Err(self.unexpected()) }
    }

    fn quoted(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.peek() {
                None => return Err(self.unexpected()),
                Some('"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some('\\') => {
                    self.at += 1;
                    text.push(self.peek().ok_or_else(|| self.unexpected())?);
                }
                Some(letter) => text.push(letter),
            }
            self.at += 1;
        }
    }

    fn range(&mut self) -> Result<What, String> {
        let from_included = self.peek() == Some('[');
        self.at += 1;
        let from = self.end()?;
        self.skip_blanks();
        let to = self.end()?;
        if to != ("TO".to_owned(), false) {
            return Err(format!("Cannot parse the query: a range needs TO before column {}", self.at));
        }
        let to = self.end()?;
        self.skip_blanks();
        let to_included = match self.peek() {
            Some(']') => true,
            Some('}') => false,
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        let end = |(text, quoted): (String, bool), included| (quoted || text != "*").then_some(End { text, included });
        let (from, to) = (end(from, from_included), end(to, to_included));
        Ok(if from.is_none() && to.is_none() { What::Present } else { What::Range { from, to } })
    }

    /// One end of a range, and whether it was quoted.
    fn end(&mut self) -> Result<(String, bool), String> {
        self.skip_blanks();
        if self.peek() == Some('"') {
            return Ok((self.quoted()?, true));
        }
        let mut text = String::new();
        while let Some(letter) = self.peek().filter(|letter| !letter.is_whitespace() && !"]}".contains(*letter)) {
            self.at += 1;
            if letter == '\\' {
                text.push(self.peek().ok_or_else(|| self.unexpected())?);
                self.at += 1;
            } else {
                text.push(letter);
            }
        }
        if text.is_empty() { Err(self.unexpected()) } else { Ok((text, false)) }
    }

    /// Letters up to a blank or a sign that has a meaning.
    fn word(&mut self) -> Result<Word, String> {
        let (mut pieces, mut text, mut escaped) = (Vec::new(), String::new(), false);
        while let Some(letter) = self.peek() {
            if letter.is_whitespace() || "()[]{}\"^~:".contains(letter) {
                break;
            }
            self.at += 1;
            match letter {
                '\\' => {
                    text.push(self.peek().ok_or_else(|| self.unexpected())?);
                    self.at += 1;
                    escaped = true;
                }
                '*' | '?' => {
                    if !text.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut text)));
                    }
                    let piece = if letter == '*' { Piece::Many } else { Piece::One };
                    if piece != Piece::Many || pieces.last() != Some(&Piece::Many) {
                        pieces.push(piece);
                    }
                }
                _ => text.push(letter),
            }
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        if pieces.is_empty() { Err(self.unexpected()) } else { Ok(Word { pieces, escaped }) }
    }

    fn number(&mut self) -> Option<f32> {
        self.digits().parse().ok()
    }

    fn digits(&mut self) -> String {
        let mut digits = String::new();
        while let Some(letter) = self.peek().filter(|letter| letter.is_ascii_digit() || *letter == '.') {
            digits.push(letter);
            self.at += 1;
        }
        digits
    }
}

/// How many letters may differ; below one it says how alike words are, as it was written long ago.
fn distance(given: Option<f32>) -> u8 {
    match given {
        Some(0.0) => 0,
        Some(given) if (0.5..2.0).contains(&given) => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(node: &Node) -> String {
        let clause = |(occur, node): &(Occur, Node)| {
            let sign = match occur {
                Occur::Must => "+",
                Occur::Should => "",
                Occur::Not => "-",
            };
            format!("{sign}{}", shown(node))
        };
        match node {
            Node::Clauses(clauses) => format!("({})", clauses.iter().map(clause).collect::<Vec<_>>().join(" ")),
            Node::Boost(node, by) => format!("{}^{by}", shown(node)),
            Node::All => "*:*".to_owned(),
            Node::Leaf { field, what } => {
                let field = field.as_ref().map(|field| format!("{field}:")).unwrap_or_default();
                let end = |end: &Option<End>| {
                    end.as_ref().map_or("*".to_owned(), |end| format!("{}{}", end.text, if end.included { "!" } else { "" }))
                };
                let what = match what {
                    What::Term(text) => text.clone(),
                    What::Phrase { text, slop } => format!("\"{text}\"~{slop}"),
                    What::Wild(pieces) => format!("{pieces:?}"),
                    What::Fuzzy { text, distance } => format!("{text}~{distance}"),
                    What::Range { from, to } => format!("[{} {}]", end(from), end(to)),
                    What::Present => "<any>".to_owned(),
                };
                format!("{field}{what}")
            }
        }
    }

    #[test]
    fn clauses_bind_as_in_lucene() {
        for (given, wanted) in [
            ("a b", "(+a +b)"),
            ("a AND b OR c", "(+a b c)"),
            ("a OR b AND c", "(a +b +c)"),
            ("a || b", "(a b)"),
            ("a && !b", "(+a -b)"),
            ("+a -b NOT c", "(+a -b -c)"),
            ("-a", "(-a)"),
            ("tags:(a OR b)", "(tags:a tags:b)"),
            ("title:(x^2 \"y z\"~3)", "(+title:x^2 +title:\"y z\"~3)"),
            ("*:*", "*:*"),
            ("key:*", "key:<any>"),
            ("d:[2024-01-01T00:00:00Z TO *]", "d:[2024-01-01T00:00:00Z! *]"),
            ("n:{1 TO 5]", "n:[1 5!]"),
            ("a\\:b", "a:b"),
            ("a or to", "(+a +or +to)"),
            ("title: water", "title:water"),
            ("OR:x", "OR:x"),
            ("\\AND", "AND"),
            ("roam~", "roam~2"),
            ("roam~1", "roam~1"),
            ("((a))", "a"),
        ] {
            assert_eq!(parse(given).map(|node| shown(&node)).as_deref(), Ok(wanted), "{given}");
        }
    }

    #[test]
    fn wildcards_are_pieces() {
        let Ok(Node::Leaf { what: What::Wild(pieces), .. }) = parse("wa**t?r") else { unreachable!("a term with wildcards") };
        assert_eq!(pieces, [Piece::Text("wa".into()), Piece::Many, Piece::Text("t".into()), Piece::One, Piece::Text("r".into())]);
    }

    #[test]
    fn what_is_no_query_is_refused() {
        let deep = "(".repeat(10_000);
        let many = "a ".repeat(3_000);
        let wild = "a*".repeat(20);
        for wrong in
            ["a AND", "OR a", "(a", "a)", "\"a", "a:", "a:b:c", "[a TO b", "[a b]", "a^", "()", "x:[TO]", "a\\", ":", &deep, &many, &wild]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
