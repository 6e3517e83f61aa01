//! `devpocket sizes`: what can be declared, and what it costs.

use clap::Args;
use serde_json::Value;

use crate::cli::error::{Failure, Outcome, exit};
use crate::cli::misread::nearest;
use crate::cli::output::{Cell, Format, Ink, Table};
use crate::cli::session::Session;

/// List the sizes an environment can have, with prices.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket sizes --region EU")]
pub struct SizesArgs {
    /// Region the prices are for
    #[arg(long, value_name = "REGION", default_value = "EU")]
    region: String,
    /// Contract term the prices are for
    #[arg(long, value_name = "MONTHS", default_value_t = 1)]
    months: u64,
    /// Also what is not sold now
    #[arg(long)]
    all: bool,
}

pub async fn run(session: &Session, args: SizesArgs) -> Outcome {
    let api = session.api()?;
    let catalogue = api.catalogue().await.map_err(|error| session.report(&error))?;
    let known = catalogue["regions"].as_array().into_iter().flatten();
    if !known.clone().any(|region| region["slug"] == args.region.as_str()) {
        let slugs: Vec<&str> = known.filter_map(|region| region["slug"].as_str()).collect();
        let near = slugs.iter().copied().find(|slug| slug.eq_ignore_ascii_case(&args.region));
        let near = near.map(str::to_owned).or_else(|| nearest(&args.region, slugs.iter().copied()));
        let near = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
        let message = format!("{:?} is not a region Contabo has{near}", args.region);
        let failure = Failure::usage(message);
        return Err(Failure { code: "unknown-region".into(), ..failure }
            .at("--region")
            .because(format!("there are {}", slugs.join(", ")))
            .into());
    }
    let sizes: Vec<&Value> = catalogue["sizes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|view| args.all || view["orderable"] == true)
        .collect();
    match session.output.format {
        Format::Json | Format::Yaml => session.output.document(&sizes),
        Format::Name => sizes.iter().for_each(|view| {
            session.output.line(view["size"]["name"].as_str().unwrap_or_default());
        }),
        _ => show(session, &args, &sizes),
    }
    Ok(exit::DONE)
}

fn show(session: &Session, args: &SizesArgs, sizes: &[&Value]) {
    let mut headers =
        vec!["*NAME", ">VCPU", ">RAM", ">DISK", "", ">MONTHLY", ">SNAPSHOTS", "PRODUCT"];
    if args.all {
        headers.push("SOLD");
    }
    let mut table = Table::new(&headers);
    let mut days = Vec::new();
    for view in sizes {
        let size = &view["size"];
        let number = |name: &str| size[name].as_u64().unwrap_or_default();
        let text = |name: &str| size[name].as_str().unwrap_or_default();
        let price = price(view, &args.region, args.months);
        days.extend(price.and_then(|price| price["asOf"].as_str()));
        let amount = price.and_then(|price| {
            let currency = price["currency"].as_str()?;
            Some(devpocket_specs::money::Money::new(price["centsPerMonth"].as_i64()?, currency))
        });
        let mut cells = vec![
            Cell::new(text("name")).ink(Ink::Bold),
            Cell::new(number("vcpu").to_string()),
            Cell::new(format!("{} GB", number("ramGb"))),
            Cell::new(format!("{} GB", number("diskGb"))),
            Cell::new(text("diskType")),
            Cell::new(amount.map_or("no price".to_owned(), |amount| amount.to_string())),
            Cell::new(number("snapshotSlots").to_string()),
            Cell::new(text("productId")),
        ];
        if args.all {
            cells.push(Cell::new(if view["orderable"] == true { "yes" } else { "no" }));
        }
        table.row(cells);
    }
    session.output.table(&table);
    let of = days.iter().min().map(|day| format!(" of {day}")).unwrap_or_default();
    let term =
        if args.months == 1 { "1 month".to_owned() } else { format!("{} months", args.months) };
    session.output.hint(format!(
        "Prices{of}, a month in {}, net of VAT, for a term of {term}. What has no price is not bought.",
        args.region
    ));
}

fn price<'a>(view: &'a Value, region: &str, months: u64) -> Option<&'a Value> {
    let prices = view["prices"].as_array()?;
    let fits = |line: &&Value| {
        line["region"] == region && line["price"]["termMonths"].as_u64() == Some(months)
    };
    prices.iter().find(fits).map(|line| &line["price"])
}
