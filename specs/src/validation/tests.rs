use proptest::prelude::*;

use super::names::{
    is_dns_label, is_dns_subdomain, is_label_text, is_qualified_name, is_reserved_namespace,
};
use super::quote::text;
use super::ssh_key::fault;

#[test]
fn names_are_those_kubernetes_takes() {
    for (name, label, subdomain) in [
        ("a", true, true),
        ("a-1", true, true),
        ("1a", true, true),
        ("a.b", false, true),
        ("", false, false),
        ("-a", false, false),
        ("a-", false, false),
        ("A", false, false),
        ("a_b", false, false),
        ("a..b", false, false),
        ("a.-b", false, false),
        ("ä", false, false),
    ] {
        assert_eq!((is_dns_label(name), is_dns_subdomain(name)), (label, subdomain), "{name}");
    }
    assert!(is_dns_label(&"a".repeat(63)) && !is_dns_label(&"a".repeat(64)));
    assert!(is_dns_subdomain(&"a".repeat(253)) && !is_dns_subdomain(&"a".repeat(254)));
    for (name, fits) in [
        ("app", true),
        ("app.kubernetes.io/name", true),
        ("devpocket.dev/environment-uid", true),
        ("A_b.C", true),
        ("a/b/c", false),
        ("/a", false),
        ("a/", false),
        ("App.io/name", false),
        (".a", false),
    ] {
        assert_eq!(is_qualified_name(name), fits, "{name}");
    }
    assert!(is_label_text("0") && !is_label_text("") && !is_label_text("a b"));
}

#[test]
fn reserved_namespaces() {
    for (name, reserved) in [
        ("default", true),
        ("kube-system", true),
        ("devpocket-x", true),
        ("devpocket", false),
        ("defaults", false),
        ("team-a", false),
    ] {
        assert_eq!(is_reserved_namespace(name), reserved, "{name}");
    }
}

#[test]
fn public_keys_pass_and_anything_else_says_why() {
    const ED25519: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
    for line in [format!("ssh-ed25519 {ED25519}"), format!("ssh-ed25519 {ED25519} a b c")] {
        assert_eq!(fault(&line), None);
    }
    for (line, why) in [
        (String::new(), "is not a key"),
        ("ssh-ed25519".to_owned(), "is not a key"),
        (format!("ssh-rsa {ED25519}"), "is damaged"),
        (format!("ssh-ed25519 {}", &ED25519[..20]), "is damaged"),
        ("ssh-ed25519 AAAA".to_owned(), "is damaged"),
        ("ssh-ed25519 /////w==".to_owned(), "is damaged"),
        (format!("no-pty ssh-ed25519 {ED25519}"), "type of key"),
        (format!("ssh-ed25519 {ED25519}\nssh-ed25519 {ED25519}"), "more than one line"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----".to_owned(), "is a private key"),
        (format!("ssh-ed25519 {}", "A".repeat(9000)), "has 9012 bytes"),
    ] {
        let message = fault(&line).unwrap_or_else(|| panic!("{line} passed"));
        assert!(message.contains(why), "{line}: {message}");
    }
}

#[test]
fn a_long_value_is_cut_in_a_message() {
    assert_eq!(text("short"), "\"short\"");
    assert_eq!(text(&"é".repeat(100)).chars().count(), 63);
}

proptest! {
    #[test]
    fn no_line_panics_as_a_key(line in "(ssh-ed25519 )?[A-Za-z0-9+/= ]{0,80}") {
        let _ = fault(&line);
    }
}
