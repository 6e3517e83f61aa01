//! Pairs of files, as renewals leave them.

use proptest::prelude::*;

use super::*;

fn now() -> Timestamp {
    "2026-11-26T12:00:00Z".parse().unwrap()
}

fn pair() -> (String, String) {
    ending(2030)
}

/// A pair that runs out with the first second of a year.
fn ending(year: i32) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["dev.example.com".to_owned()];
    let mut parameters = rcgen::CertificateParams::new(names).unwrap();
    parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
    (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn files(folder: &Path, (certificate, key): &(String, String)) -> TlsFiles {
    let files = TlsFiles { certificate: folder.join("tls.crt"), key: folder.join("tls.key") };
    fs::write(&files.certificate, certificate).unwrap();
    fs::write(&files.key, key).unwrap();
    files
}

fn used(tls: &FileTls) -> Vec<u8> {
    tls.current.pair().key.end_entity_cert().unwrap().to_vec()
}

#[test]
fn a_new_pair_is_taken_and_a_broken_one_is_told_once_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (pair(), pair());
    let tls = FileTls::open(files(folder.path(), &old)).unwrap();
    let first = used(&tls);
    assert!(matches!(tls.look(now()), Look::Same));
    // As a renewal that writes one file after the other looks in between.
    for broken in [
        (new.0.clone(), old.1.clone()),
        (new.0.clone(), String::new()),
        (new.0[..200].to_owned(), new.1.clone()),
        (String::new(), new.1.clone()),
    ] {
        files(folder.path(), &broken);
        let Look::Broken(error) = tls.look(now()) else { panic!("it was taken") };
        assert!(error.to_string().contains("tls."), "{error}");
        assert!(!error.to_string().contains("PRIVATE"), "{error}");
        assert!(matches!(tls.look(now()), Look::Same), "it is told once");
        assert_eq!(used(&tls), first);
    }
    fs::remove_file(folder.path().join("tls.key")).unwrap();
    assert!(matches!(tls.look(now()), Look::Broken(CertificateError::Read { .. })));
    files(folder.path(), &new);
    assert!(matches!(tls.look(now()), Look::Replaced));
    assert_ne!(used(&tls), first);
    files(folder.path(), &old);
    assert!(matches!(tls.look(now()), Look::Replaced), "back to what was there before");
    assert_eq!(used(&tls), first);
}

#[test]
fn nothing_starts_with_files_that_are_broken() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (pair(), pair());
    let mixed = files(folder.path(), &(one.0, other.1));
    assert!(matches!(FileTls::open(mixed), Err(CertificateError::Mismatch { .. })));
    let missing =
        TlsFiles { certificate: folder.path().join("no.crt"), key: folder.path().join("no") };
    let error = FileTls::open(missing).unwrap_err().to_string();
    assert!(error.contains("no.crt"), "{error}");
}

#[test]
fn one_that_has_run_out_is_served_and_told_and_never_replaces_a_good_one() {
    let folder = tempfile::tempdir().unwrap();
    let (old, good) = (ending(2026), ending(2030));
    let tls = FileTls::open(files(folder.path(), &old)).unwrap();
    let doubt = tls.doubt(now()).unwrap();
    assert!(doubt.contains("tls.crt ran out at 2026-01-01T00:00:00Z"), "{doubt}");
    assert!(tls.tell(now()), "the log says so");
    files(folder.path(), &ending(2025));
    assert!(matches!(tls.look(now()), Look::Replaced), "none of the two is any good");
    files(folder.path(), &good);
    assert!(matches!(tls.look(now()), Look::Replaced));
    assert_eq!((tls.doubt(now()), tls.tell(now())), (None, false));
    let first = used(&tls);
    files(folder.path(), &old);
    let Look::Broken(error) = tls.look(now()) else { panic!("it was taken") };
    assert!(matches!(error, CertificateError::RanOut { .. }), "{error}");
    assert_eq!(used(&tls), first);
    let soon = "2029-12-30T00:00:00Z".parse().unwrap();
    assert!(tls.doubt(soon).unwrap().contains("runs out at 2030-01-01"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever a half-done renewal leaves in the files: an error, or a pair that works.
    #[test]
    fn no_content_makes_the_reader_fall_over(
        cut in 0_usize..2_000, noise in prop::collection::vec(any::<u8>(), 0..100), in_key: bool,
    ) {
        let (certificate, key) = pair();
        let spoil = |text: &str| {
            let mut bytes = text.as_bytes()[..cut.min(text.len())].to_vec();
            bytes.extend_from_slice(&noise);
            bytes
        };
        let content = match in_key {
            true => Content { certificate: certificate.into_bytes(), key: spoil(&key) },
            false => Content { certificate: spoil(&certificate), key: key.into_bytes() },
        };
        let files = TlsFiles { certificate: "tls.crt".into(), key: "tls.key".into() };
        let _ = content.certified(&files);
    }
}
