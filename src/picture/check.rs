//! What the values of a picture may be. The same rules that a file is held to decide what of an
//! account gets into one: a word nobody knows could be anybody's.

use std::collections::BTreeSet;

use devpocket_specs::catalogue::Catalogue;
use jiff::{SignedDuration, Timestamp};

use super::{KIND, MACHINES, Machine, Picture, VERSION};

/// States that are kept; any other is written as `unknown`.
pub const STATUSES: [&str; 14] = [
    "provisioning",
    "uninstalled",
    "running",
    "stopped",
    "error",
    "installing",
    "unknown",
    "manual_provisioning",
    "product_not_available",
    "verification_required",
    "rescue",
    "pending_payment",
    "other",
    "reset_password",
];
/// An image of the customer's own.
pub const IMAGE_CUSTOM: &str = "custom";
/// Terms in months that Contabo ever sold.
const TERMS: [u8; 5] = [1, 3, 6, 12, 24];
/// Longest display name, as at Contabo.
const NAME: usize = 255;
/// Digits of a product's number.
const DIGITS: std::ops::RangeInclusive<usize> = 1..=4;
/// Snapshots of one machine; no plan has room for more.
const SNAPSHOTS: usize = 20;
/// Most of what is only counted.
const COUNT: u32 = 10_000;
/// A month of one machine costs no more, in cents.
const MONTHLY_CENTS: i64 = 1_000_000;
/// Calls of one installation.
const CALLS: u64 = 1_000_000_000_000;
/// Clocks of two computers differ by no more.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);
/// There was no Contabo API before.
const EARLIEST: &str = "2003-01-01T00:00:00Z";

/// Whether the text is a product id.
pub fn is_product(text: &str) -> bool {
    let digits = text.strip_prefix('V').unwrap_or_default();
    DIGITS.contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

/// Whether the text is the slug of a region that is sold.
pub fn is_region(text: &str) -> bool {
    Catalogue::builtin().region(text).is_some()
}

/// Whether the text names an image a picture may name.
pub fn is_image(text: &str) -> bool {
    text == IMAGE_CUSTOM || Catalogue::builtin().image(text).is_some()
}

/// Field and problem of everything that is wrong.
pub(super) fn faults(picture: &Picture) -> Vec<(String, String)> {
    let mut faults = Faults::default();
    faults.unless(picture.kind == KIND, "kind", || format!("is {:?}, not {KIND}", picture.kind));
    faults.unless(picture.version == VERSION, "version", || {
        format!("is {}; this DevPocket knows {VERSION}", picture.version)
    });
    let earliest: Timestamp = EARLIEST.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    faults.unless(picture.taken >= earliest, "taken", || "is before there was a Contabo".into());
    faults.unless(picture.machines.len() <= MACHINES, "machines", || {
        format!("are {}; at most {MACHINES} can be read", picture.machines.len())
    });
    for (index, machine) in picture.machines.iter().enumerate() {
        faults.machine(&format!("machines[{index}]"), machine, picture.taken, earliest);
    }
    let counts = [
        ("secrets.passwords", picture.secrets.passwords),
        ("secrets.keys", picture.secrets.keys),
        ("tags", picture.tags),
    ];
    for (field, count) in counts {
        faults.unless(count <= COUNT, field, || format!("is {count}; at most {COUNT}"));
    }
    let mut seen = BTreeSet::new();
    for (index, mark) in picture.marks.iter().enumerate() {
        let field = format!("marks[{index}]");
        faults.unless(mark.installation > 0, &format!("{field}.installation"), || {
            "is 0; the first is 1".into()
        });
        faults.unless(seen.insert(mark.installation), &format!("{field}.installation"), || {
            format!("is {} for a second time", mark.installation)
        });
        faults.unless(mark.calls <= CALLS, &format!("{field}.calls"), || "is too large".into());
    }
    faults.0
}

#[derive(Default)]
struct Faults(Vec<(String, String)>);

impl Faults {
    fn unless(&mut self, right: bool, field: &str, problem: impl FnOnce() -> String) {
        if !right {
            self.0.push((field.to_owned(), problem()));
        }
    }

    fn machine(&mut self, at: &str, machine: &Machine, taken: Timestamp, earliest: Timestamp) {
        let field = |name: &str| format!("{at}.{name}");
        self.unless(is_product(&machine.product), &field("product"), || {
            format!("is {:?}; a product is V and a number", machine.product)
        });
        self.unless(is_region(&machine.region), &field("region"), || {
            let regions = Catalogue::builtin().regions().iter().map(|r| r.slug.as_str());
            let known: Vec<&str> = regions.collect();
            format!("is {:?}; there are {}", machine.region, known.join(", "))
        });
        self.unless(STATUSES.contains(&machine.status.as_str()), &field("status"), || {
            format!("is {:?}; there are {}", machine.status, STATUSES.join(", "))
        });
        self.unless(machine.image.as_deref().is_none_or(is_image), &field("image"), || {
            "is no standard image by its name, and not custom".into()
        });
        self.unless(TERMS.contains(&machine.months), &field("months"), || {
            format!("is {}; a term has 1, 3, 6, 12 or 24", machine.months)
        });
        let within =
            |at: Timestamp| at >= earliest && at <= taken.saturating_add(AHEAD).unwrap_or(taken);
        self.unless(within(machine.created), &field("created"), || {
            format!("is {}, which is after the picture or before Contabo", machine.created)
        });
        let price = machine.monthly.as_ref().map_or(0, |price| price.0.cents);
        self.unless((0..=MONTHLY_CENTS).contains(&price), &field("monthly"), || {
            "is more than a machine costs".into()
        });
        let name = machine.name.as_deref().unwrap_or("machine");
        let plain = !name.is_empty() && name.len() <= NAME && !name.contains(char::is_control);
        self.unless(plain, &field("name"), || {
            format!("is empty, longer than {NAME} bytes, or holds control characters")
        });
        self.unless(machine.snapshots.len() <= SNAPSHOTS, &field("snapshots"), || {
            format!("are {}; a machine has at most {SNAPSHOTS}", machine.snapshots.len())
        });
        for (index, snapshot) in machine.snapshots.iter().enumerate() {
            self.unless(
                within(snapshot.created),
                &field(&format!("snapshots[{index}].created")),
                || format!("is {}", snapshot.created),
            );
        }
    }
}
