//! Kubernetes' rules for names, and the namespaces that are not for people.

/// Most characters of a DNS label.
pub const MAX_LABEL: usize = 63;
/// Most characters of a DNS subdomain.
pub const MAX_SUBDOMAIN: usize = 253;

/// What a DNS label is, for messages.
pub(crate) const LABEL_RULE: &str =
    "at most 63 lower-case letters, digits and dashes, with a letter or digit at both ends";
/// What a DNS subdomain is, for messages.
pub(crate) const SUBDOMAIN_RULE: &str =
    "at most 253 lower-case letters, digits, dashes and dots, with a letter or digit at both ends";
/// What a label or annotation key is, for messages.
pub(crate) const KEY_RULE: &str = "a name of at most 63 letters, digits, '-', '_' and '.', with a \
                                   letter or digit at both ends, after an optional DNS name and '/'";

/// RFC 1123 label, as Kubernetes reads it.
#[must_use]
pub fn is_dns_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    text.len() <= MAX_LABEL && text.bytes().all(inner) && ends_are_alphanumeric(text)
}

/// RFC 1123 subdomain: labels between dots.
#[must_use]
pub fn is_dns_subdomain(text: &str) -> bool {
    let label = |part: &str| {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        part.bytes().all(inner) && ends_are_alphanumeric(part)
    };
    text.len() <= MAX_SUBDOMAIN && text.split('.').all(label)
}

/// The name part of a label key, and a label's value when it is not empty.
#[must_use]
pub fn is_label_text(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    text.len() <= MAX_LABEL && text.bytes().all(inner) && ends_are_alphanumeric(text)
}

/// `name` or `dns.name/name`.
#[must_use]
pub fn is_qualified_name(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_dns_subdomain(prefix) && is_label_text(name),
        None => is_label_text(text),
    }
}

/// Namespaces that DevPocket keeps for itself, or that mean something to Kubernetes' tools.
#[must_use]
pub fn is_reserved_namespace(name: &str) -> bool {
    name == "default" || name.starts_with("kube-") || name.starts_with("devpocket-")
}

fn ends_are_alphanumeric(text: &str) -> bool {
    let end = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    end(text.as_bytes().first()) && end(text.as_bytes().last())
}
