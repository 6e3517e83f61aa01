//! What is on offer: prices, and what is used where nothing is declared.

use std::fs;

use devpocket_specs::catalogue::Catalogue;
use jiff::civil::Date;

use super::settings::Warning;
use super::source::Source;

pub(super) fn catalogue(source: &mut Source) -> Catalogue {
    let builtin = Catalogue::builtin();
    let Some(file) = source.value("DEVPOCKET_PRICES") else { return builtin.clone() };
    let text = match fs::read_to_string(&file.text) {
        Ok(text) => text,
        Err(error) => {
            let problem = format!("names {}, which cannot be read: {error}", file.text);
            source.invalid("DEVPOCKET_PRICES", &file, problem, "a prices.yaml");
            return builtin.clone();
        }
    };
    builtin.with_prices(&text).unwrap_or_else(|errors| {
        for error in errors {
            let problem = format!("names {}, in which {error}", file.text);
            source.invalid("DEVPOCKET_PRICES", &file, problem, "prices as in docs/prices.md");
        }
        builtin.clone()
    })
}

pub(super) fn default_region(source: &mut Source, catalogue: &Catalogue) -> String {
    let Some(value) = source.value("CONTABO_DEFAULT_REGION") else { return "EU".into() };
    if catalogue.region(&value.text).is_none() {
        let known: Vec<&str> = catalogue.regions().iter().map(|r| r.slug.as_str()).collect();
        let problem = format!("is {:?}, which is not a region", value.text);
        source.invalid("CONTABO_DEFAULT_REGION", &value, problem, known.join(", "));
    }
    value.text
}

pub(super) fn default_size(
    source: &mut Source,
    catalogue: &Catalogue,
    today: Date,
    warnings: &mut Vec<Warning>,
) -> String {
    let Some(value) = source.value("CONTABO_DEFAULT_SIZE") else {
        return catalogue.smallest_size(today).name.clone();
    };
    if let Some(size) = catalogue.size(&value.text) {
        return size.name.clone();
    }
    if let Some(seed) = catalogue.map_seed_size(&value.text, today) {
        warnings.push(format!(
            "CONTABO_DEFAULT_SIZE is {:?}, a name from another catalogue; {} is used",
            value.text, seed.size.name
        ));
        return seed.size.name.clone();
    }
    let problem = format!("is {:?}, which is not a size Contabo sells", value.text);
    source.invalid("CONTABO_DEFAULT_SIZE", &value, problem, "one of `devpocket sizes`");
    value.text
}

pub(super) fn default_shell(source: &mut Source) -> String {
    let Some(value) = source.value("DEV_USER_DEFAULT_SHELL") else { return "/bin/bash".into() };
    if !value.text.starts_with('/') || value.text.contains(char::is_whitespace) {
        let problem = format!("is {:?}", value.text);
        source.invalid("DEV_USER_DEFAULT_SHELL", &value, problem, "an absolute path");
    }
    value.text
}
