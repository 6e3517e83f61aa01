//! What `devpocket doctor` is told: the configuration of `serve`, of which only Contabo's part must
//! be there. What else `serve` would stop at is found out on the way.

use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::money::Money;
use jiff::civil::Date;

use crate::contabo::ContaboConfig;

use super::source::{ConfigError, ServeArgs, Source};
use super::{ConfigErrors, Database, Dotenv, offers, settings};

/// The four values of an API user.
const VALUES: [&str; 4] =
    ["CONTABO_CLIENT_ID", "CONTABO_CLIENT_SECRET", "CONTABO_USERNAME", "CONTABO_PASSWORD"];

/// Everything `doctor` needs, checked.
#[derive(Clone, Debug)]
pub struct DoctorConfig {
    pub contabo: ContaboConfig,
    /// Where each of the four values was found: client id, client secret, username, password.
    pub places: [String; 4],
    pub catalogue: Catalogue,
    pub monthly_budget: Option<Money>,
    /// Not looked at where no address is configured.
    pub database: Option<Database>,
    /// What `serve` would not start for, apart from what `doctor` needs itself.
    pub not_served: Vec<ConfigError>,
}

impl DoctorConfig {
    /// Reads everything; what is wrong with Contabo's part, or with a value that is there, stops
    /// the look before it begins.
    pub fn load(args: &ServeArgs, today: Date) -> Result<DoctorConfig, ConfigErrors> {
        let dotenv = Dotenv::load(args.env_file.as_deref())
            .map_err(|error| ConfigErrors(vec![ConfigError::from(error)]))?;
        let fresh = || Source::new(args, std::env::vars().collect(), dotenv.clone());
        read(&mut fresh(), &mut fresh(), today)
    }
}

/// `all` is read as `serve` reads it, for its faults.
fn read(source: &mut Source, all: &mut Source, today: Date) -> Result<DoctorConfig, ConfigErrors> {
    let contabo = settings::contabo(source);
    let catalogue = offers::catalogue(source);
    let monthly_budget = settings::monthly_budget(source, &mut Vec::new());
    let is_set = |name| source.value(name).is_some();
    let given = is_set("DATABASE_URL") || is_set("DATABASE_URL_FILE");
    let database = given.then(|| settings::database(source));
    let faults = std::mem::take(&mut source.errors);
    if !faults.is_empty() {
        return Err(ConfigErrors(faults));
    }
    let places = VALUES.map(|name| place(source, name));
    let not_served = settings::read(all, today).err().map_or_else(Vec::new, |errors| errors.0);
    Ok(DoctorConfig { contabo, places, catalogue, monthly_budget, database, not_served })
}

/// Where a value was found, such as `.env:7` or the file that holds it.
fn place(source: &mut Source, name: &'static str) -> String {
    let file = match name {
        "CONTABO_CLIENT_SECRET" => "CONTABO_CLIENT_SECRET_FILE",
        "CONTABO_PASSWORD" => "CONTABO_PASSWORD_FILE",
        _ => return source.value(name).map_or_else(String::new, |value| value.at),
    };
    source.secret(name, file).map_or_else(String::new, |secret| secret.place.at)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const TODAY: Date = Date::constant(2026, 11, 25);

    fn load(values: &[(&str, &str)]) -> Result<DoctorConfig, ConfigErrors> {
        let values: BTreeMap<String, String> =
            values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let source = || Source::new(&ServeArgs::default(), values.clone(), Dotenv::default());
        read(&mut source(), &mut source(), TODAY)
    }

    const FOUR: [(&str, &str); 4] = [
        ("CONTABO_CLIENT_ID", "INT-12345"),
        ("CONTABO_CLIENT_SECRET", "s3cret"),
        ("CONTABO_USERNAME", "ops@example.com"),
        ("CONTABO_PASSWORD", "passw0rd"),
    ];

    #[test]
    fn the_four_values_are_enough_and_what_serve_lacks_is_known() {
        let config = load(&FOUR).unwrap();
        assert!(config.database.is_none() && config.monthly_budget.is_none());
        let lacks: Vec<String> = config.not_served.iter().map(ToString::to_string).collect();
        for name in ["DATABASE_URL", "DEVPOCKET_ADMIN_TOKEN", "DEVPOCKET_SEAL_KEY", "SECRET_KEY"] {
            assert!(lacks.iter().any(|fault| fault.starts_with(name)), "{name}: {lacks:?}");
        }
        assert_eq!(config.places, ["environment"; 4]);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_at_once() {
        let errors = load(&[FOUR[0], ("DATABASE_URL", "mysql://h/d")]).unwrap_err().to_string();
        for part in ["CONTABO_CLIENT_SECRET", "CONTABO_USERNAME", "another kind of database"] {
            assert!(errors.contains(part), "{part}: {errors}");
        }
    }
}
