//! Keeps secrets out of what is shown, and makes newlines visible.

use super::target::decode;

/// What stands in place of a secret.
const HIDDEN: &str = "‹secret key›";
/// What stands in place of a text that held a secret in disguise.
const WITHHELD: &str = "‹withheld: it held a secret key›";
/// Shorter texts are no secrets, and hiding them would make the rest unreadable.
const SHORTEST: usize = 8;

/// The text without any of these secrets, percent-encoded ones included.
pub(crate) fn hide(text: &str, secrets: &[&str]) -> String {
    let mut shown = text.to_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= SHORTEST) {
        shown = shown.replace(secret, HIDDEN);
        let held = |text: &str| text.to_lowercase().contains(&secret.to_lowercase());
        if held(&shown) || held(&decode(&shown)) || held(&decode(&decode(&shown))) {
            WITHHELD.clone_into(&mut shown);
        }
    }
    shown
}

/// The text on one line: `⏎` for a newline, `␍` for a carriage return, and other control characters escaped.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push('⏎'),
            '\r' => shown.push('␍'),
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}
