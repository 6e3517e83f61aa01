//! What somebody may try who has no key, or an old token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_800_000_000;

fn keys() -> SigningKeys {
    SigningKeys::from_text("a key of these tests", false).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn sample() -> Claims {
    Claims {
        sub: Uuid::from_u128(1),
        username: "ann".into(),
        email: "ann@example.com".into(),
        exp: NOW + 1_800,
        iat: NOW,
        nbf: None,
        kind: TYPE.into(),
        sid: Uuid::from_u128(2),
        generation: 1,
    }
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Signed with the right key under another header, as an attacker cannot, so that what refuses it
/// is the header alone.
fn signed_under(header: &str) -> String {
    use hmac::Mac as _;
    let header = URL_SAFE_NO_PAD.encode(header);
    let head = format!("{header}.{}", part(&serde_json::to_value(sample()).unwrap()));
    let key = keys();
    let mut mac = super::super::keys::Signer::new_from_slice(key.access().next().unwrap()).unwrap();
    mac.update(head.as_bytes());
    format!("{head}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

#[test]
fn what_was_signed_is_read_back_also_after_a_rotation() {
    let token = sign(&keys(), &sample());
    assert_eq!(verify(&keys(), &token, at(NOW)), Ok(sample()));
    let rotated = SigningKeys::from_text("a new one, a key of these tests", false).unwrap();
    assert_eq!(verify(&rotated, &token, at(NOW)), Ok(sample()));
    let dropped = SigningKeys::from_text("a new one", false).unwrap();
    assert_eq!(verify(&dropped, &token, at(NOW)), Err(TokenFault::Invalid));
}

#[test]
fn a_header_that_says_anything_else_is_refused() {
    let ours = r#"{"typ":"JWT","alg":"HS256"}"#;
    assert_eq!(verify(&keys(), &signed_under(ours), at(NOW)), Ok(sample()));
    for header in [
        json!({"typ": "JWT", "alg": "none"}),
        json!({"typ": "JWT", "alg": "RS256"}),
        json!({"typ": "JWT", "alg": "HS512"}),
        json!({"typ": "JWT", "alg": "HS256", "kid": "../../dev/null"}),
        json!({"typ": "JWT", "alg": "HS256", "kid": "' OR 1=1 --"}),
        json!({"typ": "JWT", "alg": "HS256", "jku": "https://evil.example/keys"}),
        json!({"typ": "JWT", "alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}}),
        json!({"typ": "JWT", "alg": "HS256", "crit": ["exp"]}),
        json!({"typ": "at+jwt", "alg": "HS256"}),
        json!({"alg": "HS256"}),
        json!({}),
    ] {
        let fault = verify(&keys(), &signed_under(&header.to_string()), at(NOW));
        assert_eq!(fault, Err(TokenFault::Invalid), "{header}");
    }
}

#[test]
fn no_signature_and_a_foreign_one_are_refused() {
    let token = sign(&keys(), &sample());
    let (head, signature) = token.rsplit_once('.').unwrap();
    let foreign = sign(&SigningKeys::from_text("another", false).unwrap(), &sample());
    let twice = format!("{token}.{signature}");
    for wrong in [format!("{head}."), head.to_owned(), foreign, twice, String::new()] {
        assert_eq!(verify(&keys(), &wrong, at(NOW)), Err(TokenFault::Invalid), "{wrong}");
    }
}

#[test]
fn another_kind_of_token_does_not_sign_in() {
    for kind in ["refresh_token", "", "Access_Token"] {
        let token = sign(&keys(), &Claims { kind: kind.into(), ..sample() });
        assert_eq!(verify(&keys(), &token, at(NOW)), Err(TokenFault::Invalid), "{kind}");
    }
}

#[test]
fn clocks_may_differ_by_two_minutes_and_not_by_much_more() {
    let leeway = LEEWAY.as_secs();
    let token = sign(&keys(), &sample());
    assert!(verify(&keys(), &token, at(NOW - 120)).is_ok(), "made by a replica that is ahead");
    let early = verify(&keys(), &token, at(NOW - leeway - 1));
    assert_eq!(early, Err(TokenFault::Invalid), "not yet valid");
    assert!(verify(&keys(), &token, at(NOW + 1_800 + 120)).is_ok());
    let late = verify(&keys(), &token, at(NOW + 1_800 + leeway));
    assert_eq!(late, Err(TokenFault::Expired));
    let later = Claims { nbf: Some(NOW + 600), ..sample() };
    assert_eq!(verify(&keys(), &sign(&keys(), &later), at(NOW)), Err(TokenFault::Invalid));
}

#[test]
fn times_at_the_end_of_what_a_number_holds_do_no_harm() {
    for (iat, exp) in [(i64::MAX, i64::MAX), (i64::MIN, i64::MIN), (i64::MIN, i64::MAX)] {
        let token = sign(&keys(), &Claims { iat, exp, ..sample() });
        let _ = verify(&keys(), &token, at(NOW));
    }
}

proptest! {
    #[test]
    fn no_text_is_taken_for_a_token(text in "\\PC*") {
        prop_assert!(verify(&keys(), &text, at(NOW)).is_err());
    }

    #[test]
    fn no_parts_are_taken_for_a_token(payload in any::<Vec<u8>>(), signature in any::<Vec<u8>>()) {
        let (payload, signature) = (URL_SAFE_NO_PAD.encode(payload), URL_SAFE_NO_PAD.encode(signature));
        let token = format!("{}.{payload}.{signature}", header());
        prop_assert_eq!(verify(&keys(), &token, at(NOW)), Err(TokenFault::Invalid));
    }

    /// Not even the unused bits of the last character may differ.
    #[test]
    fn no_change_of_one_character_is_accepted(place in 0usize..400, other in "[A-Za-z0-9_.=-]") {
        let token = sign(&keys(), &sample());
        let place = place % token.len();
        prop_assume!(!token[place..].starts_with(&other));
        let mut changed = token.clone();
        changed.replace_range(place..=place, &other);
        prop_assert!(verify(&keys(), &changed, at(NOW)).is_err(), "{}", changed);
    }
}
