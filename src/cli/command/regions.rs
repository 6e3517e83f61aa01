//! `devpocket regions`: where machines can be.

use clap::Args;
use serde_json::Value;

use crate::cli::error::{Outcome, exit};
use crate::cli::output::{Cell, Format, Ink, Table};
use crate::cli::session::Session;

/// The size whose price shows what a region costs more.
const SAMPLE: &str = "vps-10-nvme";

/// List the regions an environment can be in.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket regions")]
pub struct RegionsArgs {}

pub async fn run(session: &Session, _: RegionsArgs) -> Outcome {
    let api = session.api()?;
    let catalogue = api.catalogue().await.map_err(|error| session.report(&error))?;
    let regions: Vec<&Value> = catalogue["regions"].as_array().into_iter().flatten().collect();
    match session.output.format {
        Format::Json | Format::Yaml => session.output.document(&regions),
        Format::Name => regions.iter().for_each(|region| {
            session.output.line(region["slug"].as_str().unwrap_or_default());
        }),
        _ => {
            let mut table = Table::new(&["*REGION", "*NAME", ">VPS-10-NVME"]);
            let mut days = Vec::new();
            for region in &regions {
                let slug = region["slug"].as_str().unwrap_or_default();
                let price = sample(&catalogue, slug);
                days.extend(price.as_ref().map(|(_, day)| day.clone()));
                let price = price.map(|(price, _)| price);
                table.row(vec![
                    Cell::new(slug).ink(Ink::Bold),
                    Cell::maybe(region["name"].as_str()),
                    Cell::new(price.unwrap_or_else(|| "no price".to_owned())),
                ]);
            }
            session.output.table(&table);
            let of = days.iter().min().map(|day| format!(" of {day}")).unwrap_or_default();
            session.output.hint(format!(
                "Prices{of}, a month, net of VAT. All sizes: devpocket sizes --region EU"
            ));
        }
    }
    Ok(exit::DONE)
}

/// The price, and the day it is of.
fn sample(catalogue: &Value, region: &str) -> Option<(String, String)> {
    let sizes = catalogue["sizes"].as_array()?;
    let view = sizes.iter().find(|view| view["size"]["name"] == SAMPLE)?;
    let fits =
        |line: &&Value| line["region"] == region && line["price"]["termMonths"].as_u64() == Some(1);
    let price = &view["prices"].as_array()?.iter().find(fits)?["price"];
    let currency = price["currency"].as_str()?;
    let money = devpocket_specs::money::Money::new(price["centsPerMonth"].as_i64()?, currency);
    Some((money.to_string(), price["asOf"].as_str().unwrap_or_default().to_owned()))
}
