//! The rules of names and e-mails, which datasets, groups and users share (ckan.md 4.1, 4.5).

/// The longest name, in characters.
const NAME_MAX: usize = 100;
/// The shortest.
const NAME_MIN: usize = 2;
/// Names that are paths of the web pages.
const RESERVED: [&str; 3] = ["new", "edit", "search"];
/// The longest part of a domain name.
const LABEL_MAX: usize = 63;

/// What is wrong with the letters and the length of a name; the first broken rule alone.
pub fn check_name_letters(name: &str) -> Option<String> {
    let length = name.chars().count();
    if RESERVED.contains(&name) {
        return Some("That name cannot be used".to_owned());
    }
    if length < NAME_MIN {
        return Some(format!("Must be at least {NAME_MIN} characters long"));
    }
    if length > NAME_MAX {
        return Some(format!("Name must be a maximum of {NAME_MAX} characters long"));
    }
    let fits = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
    (!fits).then(|| "Must be purely lowercase alphanumeric (ascii) characters and these symbols: -_".to_owned())
}

/// The second look at the length, which datasets have.
pub fn check_name_length(name: &str) -> Option<String> {
    let length = name.chars().count();
    if length < NAME_MIN {
        return Some(format!("Name \"{name}\" length is less than minimum {NAME_MIN}"));
    }
    (length > NAME_MAX).then(|| format!("Name \"{name}\" length is more than maximum {NAME_MAX}"))
}

/// What is wrong with an e-mail: the pattern is that of HTML's input fields.
pub fn check_email(email: &str) -> Option<String> {
    let fits = email.rsplit_once('@').is_some_and(|(local, domain)| {
        let letter = |c: char| c.is_ascii_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c);
        !local.is_empty() && local.chars().all(letter) && domain.split('.').all(is_label)
    });
    (!fits).then(|| format!("Email {email} is not a valid format"))
}

fn is_label(label: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    !label.is_empty() && label.len() <= LABEL_MAX && label.chars().all(fits) && !label.starts_with('-') && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_their_rules() {
        for (name, wrong) in [("ab", false), ("a-b_9", false), ("a", true), ("Ab", true), ("new", true), ("a b", true), ("가나", true)] {
            assert_eq!(check_name_letters(name).is_some(), wrong, "{name}");
        }
        assert_eq!(check_name_length("a").as_deref(), Some("Name \"a\" length is less than minimum 2"));
        assert_eq!(check_name_length(&"a".repeat(100)), None);
    }

    #[test]
    fn emails_and_their_pattern() {
        for (email, fits) in
            [("a@b", true), ("a.b+c@d-e.org", true), ("a", false), ("@b", false), ("a@-b", false), ("a b@c", false), ("a@b..c", false)]
        {
            assert_eq!(check_email(email).is_none(), fits, "{email}");
        }
    }
}
