//! Values of single variables.

use devpocket_specs::money::Money;

use crate::store::PgOptions;

/// `postgresql+asyncpg://` and `postgres://` mean `postgresql://`: the first names a Python driver, and
/// stands in many an `.env`.
pub fn database_url(text: &str) -> Result<String, &'static str> {
    let (scheme, rest) = text.split_once("://").ok_or("is not a URL")?;
    let url = match scheme {
        "postgresql" | "postgres" | "postgresql+asyncpg" => format!("postgresql://{rest}"),
        _ => return Err("is for another kind of database"),
    };
    match PgOptions::from_url(&url) {
        Ok(_) => Ok(url),
        // The parser's own words may quote the password.
        Err(_) => Err("cannot be understood (characters such as @ / : # in a password are \
                       written %40 %2F %3A %23)"),
    }
}

/// `300 EUR`, `300.00 EUR` or `300EUR`.
pub fn money(text: &str) -> Option<Money> {
    let text = text.trim();
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (amount, currency) = text.split_at(split);
    let currency = currency.trim();
    if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let (whole, cents) = amount.trim().split_once('.').unwrap_or((amount.trim(), "00"));
    if whole.is_empty() || cents.len() != 2 || !digits(whole) || !digits(cents) {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let cents: i64 = cents.parse().ok()?;
    Some(Money::new(whole.checked_mul(100)?.checked_add(cents)?, currency))
}

fn digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Items separated by commas.
pub fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_seeds_database_url_is_understood() {
        assert_eq!(
            database_url("postgresql+asyncpg://u:p@h:5432/d").unwrap(),
            "postgresql://u:p@h:5432/d"
        );
        assert!(database_url("mysql://h/d").is_err());
        assert!(database_url("h").is_err());
    }

    #[test]
    fn budgets_are_read_to_the_cent() {
        assert_eq!(money("300 EUR"), Some(Money::eur(30_000)));
        assert_eq!(money("212.50EUR"), Some(Money::eur(21_250)));
        for wrong in [
            "",
            "300",
            "EUR",
            "300 eur",
            "-1 EUR",
            "1.5 EUR",
            "1,50 EUR",
            "9999999999999999999 EUR",
        ] {
            assert_eq!(money(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_fall_over(text in "\\PC*") {
            let _ = (money(&text), list(&text), database_url(&text));
        }
    }
}
