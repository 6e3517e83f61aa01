//! Hostile text really goes through cloud-init's format, the installer and the shells.

use std::collections::BTreeMap;

use devpocket_specs::render::{Variable, parameter_variable};
use devpocket_specs::template::{StepUser, TemplateStep, ToolCheck};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use super::inputs::{self, script};
use super::mirror::Mirror;
use super::sandbox::{Sandbox, is_possible};

/// Texts that broke somebody's quoting once.
const KNOWN: [&str; 10] = [
    "'; touch /var/lib/injected; '",
    "$(touch /var/lib/injected)",
    "`touch /var/lib/injected`",
    "\n- touch /var/lib/injected\nruncmd:\n- [touch, /var/lib/injected]\n",
    "\"; touch /var/lib/injected #",
    "${IFS}&&touch${IFS}/var/lib/injected",
    "\\'\\\"\\n\\0 %s %n",
    "-n --help",
    "\u{85}\u{2028}\u{feff}\t\u{7f}\u{1b}[31m",
    "{{ 7*7 }} ## template: jinja",
];

/// How many texts go through one installation, and how many installations there are.
const TEXTS: usize = 40;
const ROUNDS: u32 = 6;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(KNOWN.to_vec()).prop_map(str::to_owned),
        "[^\u{0}]{0,30}",
        "['\"\\\\$`(){};&|<>*?!#~\n\r\t =:-]{0,16}",
        "[a-z: \n-]{0,10}(users|runcmd|write_files): \\[x\\]\n[a-z: \n-]{0,10}",
    ]
}

#[test]
fn hostile_text_arrives_unchanged_and_runs_nothing() {
    if !is_possible() {
        return;
    }
    let mut runner = TestRunner::new(Config { cases: ROUNDS, ..Config::default() });
    let texts = prop::collection::vec(text(), TEXTS);
    runner
        .run(&texts, |texts| {
            arrives(&texts);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

fn arrives(texts: &[String]) {
    let mirror = Mirror::start();
    let parameter = |index: usize| format!("p{index}");
    let named = |prefix: &str| -> Vec<String> {
        (0..texts.len()).map(|index| format!("{prefix}{index}")).collect()
    };
    let variables = (0..texts.len())
        .map(|index| parameter_variable(&parameter(index)).expect("a name"))
        .map(|name| format!("\"${name}\""))
        .collect::<Vec<_>>()
        .join(" ");
    let print = format!("printf '%s\\0' {variables} \"$@\" >\"$HOME/texts\"\n");
    let arguments = TemplateStep { arguments: texts.to_vec(), ..script("script", &print) };
    let run = std::iter::once("/usr/bin/printf".to_owned()).chain(["%s\\0".into()]);
    let run: Vec<String> = run.chain(texts.iter().cloned()).collect();
    let run = TemplateStep { name: "run".into(), run, ..TemplateStep::default() };
    let as_dev =
        TemplateStep { name: "dev".into(), user: Some(StepUser::Dev), ..arguments.clone() };
    let mut input = inputs::steps(&mirror, vec![arguments, as_dev, run]);
    input.image = texts[0].clone();
    let template = input.template.as_mut().expect("a template");
    template.name = texts[1].clone();
    template.parameters =
        texts.iter().enumerate().map(|(index, text)| (parameter(index), json!(text))).collect();
    input.variables = named("V")
        .into_iter()
        .zip(texts.iter().map(|text| Variable::Plain(text.clone())))
        .collect::<BTreeMap<_, _>>();
    input.checks =
        vec![ToolCheck { tool: texts[2].clone(), run: vec!["echo".into(), texts[3].clone()] }];
    let sandbox = Sandbox::new(&mirror, &input);
    let (done, said) = sandbox.install();
    assert!(done, "{texts:?}\n{said}");
    let expected: String = texts.iter().chain(texts).map(|text| format!("{text}\0")).collect();
    assert_eq!(sandbox.text("/root/texts"), expected);
    assert_eq!(sandbox.text("/home/dev/texts"), expected);
    let names: Vec<String> = named("V").iter().map(|name| format!("\"${name}\"")).collect();
    let login = format!("printf '%s\\0' {}", names.join(" "));
    let login = sandbox.run(&["runuser", "-l", "dev", "-c", &login]);
    let expected: String = texts.iter().map(|text| format!("{text}\0")).collect();
    assert_eq!(String::from_utf8_lossy(&login.stdout), expected, "{login:?}");
    sandbox.check();
    assert!(!sandbox.path("/var/lib/injected").exists(), "{texts:?}");
}
