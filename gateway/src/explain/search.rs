//! Finds the mistakes that together give the signature that came: those made alone first, then two, then three at once.

use aws_lc_rs::{
    digest::{SHA256, digest as sha256},
    hmac::{Context, HMAC_SHA256, Key},
};
use madang_kit::hex;

use super::{
    KeyHalves,
    captured::Captured,
    form::{self, Digest},
    mistake::Mistake,
    target,
};

/// Mistakes that may be made at once.
const AT_ONCE: usize = 3;
/// Bodies are long, so fewer mistakes are tried beside a signed one.
const BESIDE_A_BODY: usize = 1;
/// How far apart two reads of a clock are looked for, in milliseconds.
const CLOCK_READS_MS: i64 = 500;
/// Texts that are signed before the search gives up.
const TRIES: usize = 200_000;

/// The mistakes that give the signature, [`Mistake::Good`] if it is right, [`Mistake::NoMatch`] if nothing gives it.
pub(super) fn search(request: &Captured, key: &KeyHalves<'_>) -> Vec<Mistake> {
    let given = request.signature.text().map(form::digests).unwrap_or_default();
    let form = given.iter().find_map(|(mistake, _)| mistake.clone());
    if given.is_empty() {
        return Vec::new(); // its form is told already
    }
    let search = Search { given, space: Space::of(request, key), body: request.body_bytes() };
    let found = (0..=AT_ONCE).find_map(|count| search.with(count)).or_else(|| search.two_clock_reads());
    match found {
        Some(mistakes) if mistakes.is_empty() => vec![Mistake::Good],
        Some(mistakes) => mistakes,
        None => form.into_iter().chain([Mistake::NoMatch { forwarded: request.was_forwarded() }]).collect(),
    }
}

/// One way of doing one part of the signing; the right way has no mistake.
#[derive(Clone)]
struct Choice<T> {
    mistake: Option<Mistake>,
    value: T,
}

impl<T> Choice<T> {
    fn right(value: T) -> Self {
        Self { mistake: None, value }
    }

    fn wrong(mistake: Mistake, value: T) -> Self {
        Self { mistake: Some(mistake), value }
    }

    fn mistakes(&self) -> usize {
        usize::from(self.mistake.is_some())
    }
}

/// Every way of doing each part.
struct Space {
    keys: Vec<Choice<Key>>,
    methods: Vec<Choice<String>>,
    targets: Vec<Choice<String>>,
    timestamps: Vec<Choice<String>>,
    names: Vec<Choice<String>>,
    separators: Vec<Choice<(&'static str, &'static str)>>,
    tails: Vec<Choice<&'static str>>,
}

struct Search {
    given: Vec<(Option<Mistake>, Digest)>,
    space: Space,
    body: Vec<u8>,
}

impl Search {
    /// Looks with exactly so many mistakes.
    fn with(&self, count: usize) -> Option<Vec<Mistake>> {
        let mut tries = 0;
        let space = &self.space;
        for method in &space.methods {
            for target in &space.targets {
                for timestamp in &space.timestamps {
                    for name in &space.names {
                        let before = method.mistakes() + target.mistakes() + timestamp.mistakes() + name.mistakes();
                        if before > count {
                            continue;
                        }
                        for separator in &space.separators {
                            let before = before + separator.mistakes();
                            if before > count {
                                continue;
                            }
                            let (first, second) = separator.value;
                            let text = format!("{} {}{first}{}{second}{}", method.value, target.value, timestamp.value, name.value);
                            let parts = [&method.mistake, &target.mistake, &timestamp.mistake, &name.mistake, &separator.mistake];
                            let made = parts.into_iter().flatten().cloned().collect();
                            if let Some(found) = self.signed(&text, made, count - before, &mut tries) {
                                return Some(found);
                            }
                            if tries > TRIES {
                                return None;
                            }
                        }
                    }
                }
            }
        }
        None
    }

    /// Signs a text in every way that has so many mistakes more.
    fn signed(&self, text: &str, made: Vec<Mistake>, more: usize, tries: &mut usize) -> Option<Vec<Mistake>> {
        for key in self.space.keys.iter().filter(|key| key.mistakes() <= more) {
            let more = more - key.mistakes();
            for tail in self.space.tails.iter().filter(|tail| tail.mistakes() <= more) {
                *tries += 1;
                let digest = digest(&key.value, &[text.as_bytes(), tail.value.as_bytes()]);
                let mistakes = [&key.mistake, &tail.mistake];
                if let Some(form) = self.fits(&digest, more - tail.mistakes()) {
                    return Some(together(made, mistakes.into_iter().flatten().cloned().chain(form)));
                }
            }
            let with_body = more >= 1 && made.len() + key.mistakes() <= BESIDE_A_BODY && !self.body.is_empty();
            if with_body && let Some(form) = self.bodies(&key.value, text).iter().find_map(|digest| self.fits(digest, more - 1)) {
                return Some(together(made, key.mistake.iter().cloned().chain([Mistake::BodySigned]).chain(form)));
            }
        }
        None
    }

    /// Digests with the body where people put it: at the end, hashed or not, or alone.
    fn bodies(&self, key: &Key, text: &str) -> Vec<Digest> {
        let hash = sha256(&SHA256, &self.body);
        let hex = hex(hash.as_ref());
        let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, hash);
        let body = self.body.as_slice();
        let (head, name) = text.rsplit_once('\n').unwrap_or((text, ""));
        let whole: [&[&[u8]]; 8] = [
            &[text.as_bytes(), b"\n", body],
            &[text.as_bytes(), body],
            &[text.as_bytes(), b"\n", body, b"\n"],
            &[text.as_bytes(), b"\n", hex.as_bytes()],
            &[text.as_bytes(), b"\n", base64.as_bytes()],
            &[head.as_bytes(), b"\n", body, b"\n", name.as_bytes()],
            &[head.as_bytes(), b"\n", name.as_bytes(), body],
            &[body],
        ];
        whole.into_iter().map(|parts| digest(key, parts)).collect()
    }

    /// The mistake in the form of a given signature that is this digest, if there is one with so many mistakes.
    #[expect(clippy::option_option, reason = "no fit, a fit without a mistake, a fit with one")]
    fn fits(&self, digest: &Digest, mistakes: usize) -> Option<Option<Mistake>> {
        let fits = self.given.iter().find(|(form, given)| given == digest && usize::from(form.is_some()) == mistakes);
        fits.map(|(form, _)| form.clone())
    }

    /// The time was read twice: once for the header and once for the text.
    fn two_clock_reads(&self) -> Option<Vec<Mistake>> {
        let right = |choices: &[Choice<String>]| choices.first().map(|choice| choice.value.clone()).unwrap_or_default();
        let (method, target, name) = (right(&self.space.methods), right(&self.space.targets), right(&self.space.names));
        let timestamp: i64 = right(&self.space.timestamps).parse().ok()?;
        let key = &self.space.keys.first()?.value;
        (1..=CLOCK_READS_MS).flat_map(|ms| [ms, -ms]).find_map(|ms| {
            let text = format!("{method} {target}\n{}\n{name}", timestamp.saturating_add(ms));
            let digest = digest(key, &[text.as_bytes()]);
            let form = self.fits(&digest, 0).or_else(|| self.fits(&digest, 1))?;
            Some(form.into_iter().chain([Mistake::TwoClockReads { ms }]).collect())
        })
    }
}

impl Space {
    fn of(request: &Captured, key: &KeyHalves<'_>) -> Self {
        let timestamp = request.timestamp.text().unwrap_or_default();
        let swapped = || Mistake::KeysSwapped { in_header: false };
        let mut keys = vec![Choice::right(keyed(key.secret.as_bytes())), Choice::wrong(swapped(), keyed(key.access_key.as_bytes()))];
        let newline =
            |end: &str| Choice::wrong(Mistake::TrailingNewline { secret: true }, keyed(format!("{}{end}", key.secret).as_bytes()));
        keys.extend(["\n", "\r\n"].map(newline));
        keys.extend(form::decoded(key.secret).into_iter().map(|bytes| Choice::wrong(Mistake::SecretDecoded, keyed(&bytes))));
        let mut timestamps = vec![Choice::right(timestamp.to_owned())];
        if timestamp.len() == 10 {
            timestamps.push(Choice::wrong(Mistake::Seconds, format!("{timestamp}000")));
        } else if let Some(seconds) = timestamp.get(..timestamp.len().saturating_sub(3)) {
            timestamps.push(Choice::wrong(Mistake::Seconds, seconds.to_owned()));
        }
        let targets = target::variants(request).into_iter().map(|(mistake, signed)| Choice::wrong(mistake, signed));
        Self {
            keys,
            methods: methods(&request.method),
            targets: [Choice::right(request.target.clone())].into_iter().chain(targets).collect(),
            timestamps,
            names: vec![Choice::right(key.access_key.to_owned()), Choice::wrong(swapped(), key.secret.to_owned())],
            separators: vec![
                Choice::right(("\n", "\n")),
                Choice::wrong(Mistake::Crlf, ("\r\n", "\r\n")),
                Choice::wrong(Mistake::Crlf, ("\r\n", "\n")),
                Choice::wrong(Mistake::Crlf, ("\n", "\r\n")),
                Choice::wrong(Mistake::EscapedNewline, ("\\n", "\\n")),
            ],
            tails: vec![
                Choice::right(""),
                Choice::wrong(Mistake::TrailingNewline { secret: false }, "\n"),
                Choice::wrong(Mistake::TrailingNewline { secret: false }, "\r\n"),
                Choice::wrong(Mistake::EscapedNewline, "\\n"),
            ],
        }
    }
}

/// The method, in either case, and all others.
fn methods(sent: &str) -> Vec<Choice<String>> {
    const KNOWN: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    let all = KNOWN.into_iter().chain([sent]).flat_map(|method| [method.to_uppercase(), method.to_lowercase()]);
    let others = all.filter(|method| method != sent);
    let wrong = others.map(|method| Choice::wrong(Mistake::WrongMethod { signed: method.clone() }, method));
    [Choice::right(sent.to_owned())].into_iter().chain(wrong).collect()
}

/// Mistakes made at once, each told once: who exchanges the keys does so in both places.
fn together(mut made: Vec<Mistake>, more: impl Iterator<Item = Mistake>) -> Vec<Mistake> {
    for mistake in more {
        if !made.contains(&mistake) {
            made.push(mistake);
        }
    }
    made
}

fn keyed(secret: &[u8]) -> Key {
    Key::new(HMAC_SHA256, secret)
}

fn digest(key: &Key, parts: &[&[u8]]) -> Digest {
    let mut mac = Context::with_key(key);
    for part in parts {
        mac.update(part);
    }
    Digest::try_from(mac.sign().as_ref()).unwrap_or_default()
}
