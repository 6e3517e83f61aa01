//! What a person meets who configures `serve`.

use std::collections::BTreeMap;

use std::fs;

use jiff::civil::Date;

use super::settings::read;
use super::{ConfigErrors, Dotenv, ServeArgs, ServeConfig, Source, Warning};
use crate::telemetry::Sampling;

const TODAY: Date = Date::constant(2026, 11, 23);

fn complete() -> BTreeMap<String, String> {
    let key = "0123456789abcdef".repeat(4);
    [
        ("DATABASE_URL", "postgresql+asyncpg://u:hunter2@db:5432/devpocket"),
        ("CONTABO_CLIENT_ID", "INT-12345"),
        ("CONTABO_CLIENT_SECRET", "client-secret"),
        ("CONTABO_USERNAME", "ops@example.com"),
        ("CONTABO_PASSWORD", "api-password"),
        ("DEVPOCKET_ADMIN_TOKEN", key.as_str()),
        ("DEVPOCKET_SEAL_KEY", key.as_str()),
        ("SECRET_KEY", key.as_str()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn load(
    args: ServeArgs,
    environment: BTreeMap<String, String>,
) -> Result<(ServeConfig, Vec<Warning>), ConfigErrors> {
    read(&mut Source::new(&args, environment, Dotenv::default()), TODAY)
}

#[test]
fn a_complete_environment_is_enough() {
    let (config, _) = load(ServeArgs::default(), complete()).unwrap();
    assert_eq!(config.database.url.reveal(), "postgresql://u:hunter2@db:5432/devpocket");
    assert!(!config.contabo.simulated);
    assert_eq!((config.host.to_string().as_str(), config.port), ("127.0.0.1", 8000));
}

#[test]
fn everything_that_is_missing_is_named_at_once() {
    let errors = load(ServeArgs::default(), BTreeMap::new()).unwrap_err().to_string();
    for name in complete().keys() {
        assert!(errors.contains(name.as_str()), "{name} is not in:\n{errors}");
    }
}

#[test]
fn wrong_values_are_named_with_what_is_expected_and_no_secret_is_shown() {
    let mut environment = complete();
    environment.insert("DATABASE_URL".into(), "mysql://u:hunter2@db/devpocket".into());
    environment.insert("DEVPOCKET_ADMIN_TOKEN".into(), "sh0rt".into());
    environment.insert("PORT".into(), "99999".into());
    environment.insert("HOST".into(), "0.0.0.0".into());
    environment.insert("DEVPOCKET_MONTHLY_BUDGET".into(), "lots".into());
    let errors = load(ServeArgs::default(), environment).unwrap_err().to_string();
    for part in ["another kind of database", "too short", "99999", "--behind-proxy", "300 EUR"] {
        assert!(errors.contains(part), "{part} is not in:\n{errors}");
    }
    assert!(!errors.contains("hunter2") && !errors.contains("sh0rt"), "{errors}");
}

#[test]
fn a_flag_beats_the_environment_and_a_file_can_hold_a_secret() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "from-a-file\n").unwrap();
    let mut environment = complete();
    environment.remove("CONTABO_PASSWORD");
    let path = file.path().display().to_string();
    environment.insert("CONTABO_PASSWORD_FILE".into(), path);
    environment.insert("PORT".into(), "1".into());
    let args = ServeArgs { port: Some("9000".into()), ..ServeArgs::default() };
    let (config, _) = load(args, environment).unwrap();
    assert_eq!(config.port, 9000);
    assert_eq!(config.contabo.credentials.password.reveal(), "from-a-file");
}

#[test]
fn the_seeds_size_is_mapped_with_a_warning() {
    let mut environment = complete();
    environment.insert("CONTABO_DEFAULT_SIZE".into(), "VPS-S-1vcpu-2gb".into());
    let (config, warnings) = load(ServeArgs::default(), environment).unwrap();
    assert!(config.catalogue.size(&config.default_size).is_some());
    assert!(warnings.iter().any(|w| w.contains("VPS-S-1vcpu-2gb")), "{warnings:?}");
}

#[test]
fn credentials_are_sent_to_one_place_only_and_never_in_the_clear() {
    let mut environment = complete();
    environment.insert("CONTABO_API_URL".into(), "http://example.com".into());
    let errors = load(ServeArgs::default(), environment.clone()).unwrap_err().to_string();
    assert!(errors.contains("without CONTABO_AUTH_URL"), "{errors}");
    environment.insert("CONTABO_AUTH_URL".into(), "http://127.0.0.1:8001/token".into());
    let errors = load(ServeArgs::default(), environment.clone()).unwrap_err().to_string();
    assert!(errors.contains("in the clear"), "{errors}");
    environment.insert("CONTABO_API_URL".into(), "http://127.0.0.1:8001".into());
    assert!(load(ServeArgs::default(), environment).unwrap().0.contabo.simulated);
}

#[test]
fn without_a_collector_nothing_is_exported() {
    let (config, _) = load(ServeArgs::default(), complete()).unwrap();
    assert!(config.traces.is_none() && config.metrics.is_none());
    let with = |name: &str, value: &str| {
        let mut environment = complete();
        environment.insert("OTEL_EXPORTER_OTLP_ENDPOINT".into(), "http://127.0.0.1:4318".into());
        environment.insert(name.into(), value.into());
        let (config, _) = load(ServeArgs::default(), environment).unwrap();
        (config.traces.is_some(), config.metrics.is_some())
    };
    assert_eq!(with("OTEL_SDK_DISABLED", "true"), (false, false));
    assert_eq!(with("OTEL_TRACES_EXPORTER", "none"), (false, true));
    assert_eq!(with("OTEL_METRICS_EXPORTER", "none"), (true, false));
    assert_eq!(with("OTEL_METRICS_EXPORTER", "otlp"), (true, true));
}

#[test]
fn the_collector_is_named_as_everywhere_else() {
    let mut environment = complete();
    let mut set = |name: &str, value: &str| drop(environment.insert(name.into(), value.into()));
    set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.example:4318/");
    set("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20t0ken, x-team=ops");
    set("OTEL_SERVICE_NAME", "pocket");
    set("OTEL_TRACES_SAMPLER", "parentbased_traceidratio");
    set("OTEL_TRACES_SAMPLER_ARG", "0.25");
    let (config, warnings) = load(ServeArgs::default(), environment.clone()).unwrap();
    let (traces, metrics) = (config.traces.unwrap(), config.metrics.unwrap());
    assert_eq!(traces.collector.endpoint, "http://collector.example:4318/v1/traces");
    assert_eq!(metrics.collector.endpoint, "http://collector.example:4318/v1/metrics");
    for collector in [&traces.collector, &metrics.collector] {
        let headers = collector.headers.iter();
        let headers: Vec<_> = headers.map(|(name, v)| (name.as_str(), v.reveal())).collect();
        assert_eq!(headers, [("authorization", "Bearer t0ken"), ("x-team", "ops")]);
        assert_eq!(collector.service, "pocket");
    }
    assert_eq!((traces.sampling, metrics.every.as_secs()), (Sampling::Share(0.25), 60));
    let told = warnings.iter().filter(|warning| warning.contains("in the clear")).count();
    assert_eq!(told, 1, "{warnings:?}");
}

#[test]
fn each_signal_can_have_a_collector_of_its_own() {
    let mut environment = complete();
    let mut set = |name: &str, value: &str| drop(environment.insert(name.into(), value.into()));
    set("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example");
    set("OTEL_EXPORTER_OTLP_HEADERS", "x-team=ops");
    set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces.example/here");
    set("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "x-team=sums");
    // Said for one signal it holds for that one, whatever is said for all.
    set("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    set("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf");
    set("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf");
    set("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Cumulative");
    set("OTEL_METRIC_EXPORT_INTERVAL", "15000");
    let (config, _) = load(ServeArgs::default(), environment).unwrap();
    let (traces, metrics) = (config.traces.unwrap(), config.metrics.unwrap());
    assert_eq!(traces.collector.endpoint, "https://traces.example/here");
    assert_eq!(traces.collector.headers[0].1.reveal(), "ops");
    assert_eq!(metrics.collector.endpoint, "https://collector.example/v1/metrics");
    assert_eq!(metrics.collector.headers[0].1.reveal(), "sums");
    assert_eq!(metrics.every.as_secs(), 15);
}

#[test]
fn a_collector_that_cannot_be_used_is_refused_before_the_start() {
    for (name, value, expected) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "http://127.0.0.1:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://u:hunter2@collector", "secrets go into"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "n0thing", "name=value"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "2", "from 0 to 1"),
        ("OTEL_METRICS_EXPORTER", "prometheus", "otlp or none"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1", "from 1000 to 3600000"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta", "cumulative"),
    ] {
        let mut environment = complete();
        environment.insert("OTEL_EXPORTER_OTLP_ENDPOINT".into(), "http://127.0.0.1:4318".into());
        environment.insert("OTEL_TRACES_SAMPLER".into(), "traceidratio".into());
        environment.insert(name.into(), value.into());
        let errors = load(ServeArgs::default(), environment).unwrap_err().to_string();
        assert!(errors.contains(name) && errors.contains(expected), "{name}: {errors}");
        assert!(!errors.contains("hunter2") && !errors.contains("n0thing"), "{errors}");
        assert_eq!(errors.lines().count(), 1, "said once, though two signals read it: {errors}");
    }
}

#[test]
fn faults_of_the_edge_are_named_and_show_no_secret() {
    for (variables, expected) in [
        (vec![("TRUSTED_PROXIES", "0.0.0.0/0")], "TRUSTED_PROXIES is wrong"),
        (vec![("TLS_CERT", "tls.crt")], "TLS_CERT is set without TLS_KEY"),
        (vec![("RATE_LIMIT_WINDOW_MS", "10")], "from 1000 to 86400000"),
        (vec![("SMTP_HOST", "mail.example.com")], "FROM_EMAIL is not set"),
        (
            vec![("SMTP_HOST", "mail.example.com"), ("RESEND_API_KEY", "hunter2")],
            "names a second way to send mail",
        ),
        (
            vec![("SMTP_URL", "http://u:hunter2@mail"), ("FROM_EMAIL", "a@example.com")],
            "neither smtps:// nor smtp://",
        ),
        (vec![("RESEND_API_KEY", "hunter2"), ("FROM_EMAIL", "nobody")], "FROM_EMAIL is \"nobody\""),
    ] {
        let mut environment = complete();
        environment.extend(variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        let errors = load(ServeArgs::default(), environment).unwrap_err().to_string();
        assert!(errors.contains(expected), "{expected} is not in {errors}");
        assert!(!errors.contains("hunter2"), "{errors}");
    }
}

#[test]
fn the_edge_of_the_seeds_env_file_is_understood() {
    let mut environment = complete();
    for (name, value) in [
        ("RATE_LIMIT_WINDOW_MS", "900000"),
        ("RATE_LIMIT_MAX_REQUESTS", "100"),
        ("AUTH_RATE_LIMIT_MAX_REQUESTS", "5"),
        ("RESEND_API_KEY", "re_key"),
        ("FROM_EMAIL", "DevPocket <noreply@example.com>"),
        ("SUPPORT_EMAIL", "support@example.com"),
        ("SMTP_URL", ""),
    ] {
        environment.insert(name.into(), value.into());
    }
    let args = ServeArgs { behind_proxy: true, ..ServeArgs::default() };
    let (config, _) = load(args, environment.clone()).unwrap();
    let mut switched = environment.clone();
    switched.insert("BEHIND_PROXY".into(), "true".into());
    let (same, _) = load(ServeArgs::default(), switched).unwrap();
    assert!(same.edge.behind_proxy && same.edge.proxies == config.edge.proxies);
    environment.insert("BEHIND_PROXY".into(), "perhaps".into());
    let odd = load(ServeArgs::default(), environment).unwrap_err().to_string();
    assert!(odd.contains("BEHIND_PROXY is \"perhaps\"") && odd.contains("true or false"), "{odd}");
    assert_eq!((config.edge.rules.rest.limit, config.edge.rules.sign_in.limit), (100, 5));
    assert_eq!(config.edge.rules.rest.window.as_secs(), 900);
    assert_eq!(config.edge.rules.sign_in.window.as_secs(), 60, "a minute, whatever the others are");
    assert!(!config.edge.proxies.is_empty(), "a proxy on this computer is believed");
    let smtp = config.edge.mail.unwrap().smtp;
    assert_eq!((smtp.host.as_str(), smtp.port), ("smtp.resend.com", 465));
    assert_eq!(smtp.credentials.unwrap().0, "resend");
}

#[test]
fn a_secret_that_a_container_platform_did_not_mount_is_not_set() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("smtp_url");
    let mut environment = complete();
    environment.insert("SMTP_URL_FILE".into(), file.display().to_string());
    let (config, warnings) = load(ServeArgs::default(), environment.clone()).unwrap();
    assert!(config.edge.mail.is_none());
    let path = file.display().to_string();
    let told = warnings.iter().find(|warning| warning.contains(&path)).unwrap();
    assert!(told.contains("SMTP_URL_FILE") && told.contains("not there"), "{told}");
    fs::write(&file, "\n").unwrap();
    let (config, warnings) = load(ServeArgs::default(), environment.clone()).unwrap();
    assert!(config.edge.mail.is_none() && !warnings.iter().any(|w| w.contains(&path)));

    // What serve cannot do without is another matter.
    environment.remove("CONTABO_PASSWORD");
    environment.insert("CONTABO_PASSWORD_FILE".into(), path.clone() + ".gone");
    let errors = load(ServeArgs::default(), environment).unwrap_err().to_string();
    assert!(errors.contains("CONTABO_PASSWORD_FILE names"), "{errors}");
}
