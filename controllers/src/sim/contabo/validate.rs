//! What the API refuses, in the two shapes in which it does: an array of sentences in the manner of
//! class-validator for malformed values, one plain sentence for what the catalogue does not know.

use std::str::FromStr;

use jiff::{Timestamp, civil::Date};

use super::Contabo;
use super::body::{ActionBody, CancelInstance, CreateInstance, ReinstallInstance, TagBody};
use super::catalogue::{
    DEFAULT_IMAGE, DEFAULT_PRODUCT, DEFAULT_REGION, Extras, Product, REGIONS, Region, find_product,
    find_region,
};
use super::contract::{CANCEL_HORIZON_YEARS, date_of};
use super::custom_image::{ImageRef, is_image_id};
use super::filter::AuditFilter;
use super::reply::{ErrorBody, Reply};
use super::secret::SecretKind;

/// Longest display name, in characters.
pub const DISPLAY_NAME_LIMIT: usize = 255;
/// Longest tag name.
pub const TAG_NAME_LIMIT: usize = 255;
const DEFAULT_USERS: [&str; 3] = ["root", "admin", "administrator"];

/// A call that is answered with an error and changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: u16,
    pub body: ErrorBody,
}

impl Refusal {
    pub fn sentence(status: u16, text: impl Into<String>) -> Refusal {
        Refusal { status, body: ErrorBody::Message(text.into()) }
    }

    pub fn violations(texts: Vec<String>) -> Refusal {
        Refusal { status: 400, body: ErrorBody::Messages(texts) }
    }

    pub fn not_found(what: &str, id: impl std::fmt::Display) -> Refusal {
        Refusal::sentence(404, format!("Entry {what} not found by {what}Id: {id}"))
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Reply {
        Reply::refused(refusal.status, refusal.body)
    }
}

/// What is wrong with the values of a body, in the manner of class-validator.
#[derive(Debug, Default)]
pub(super) struct Violations(Vec<String>);

impl Violations {
    pub fn add(&mut self, text: impl Into<String>) {
        self.0.push(text.into());
    }

    /// A text within its limits; `required` when it must be there.
    pub fn length(
        &mut self,
        name: &str,
        text: Option<&str>,
        required: bool,
        least: usize,
        most: usize,
    ) {
        let Some(text) = text else {
            if required {
                self.add(format!("{name} should not be empty"));
            }
            return;
        };
        let count = text.chars().count();
        if count < least {
            self.add(format!("{name} must be longer than or equal to {least} characters"));
        }
        if count > most {
            self.add(format!("{name} must be shorter than or equal to {most} characters"));
        }
    }

    pub fn done(self) -> Result<(), Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(Refusal::violations(self.0)) }
    }
}

/// An order that will be accepted.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub product: &'static Product,
    pub region: &'static Region,
    pub image: ImageRef,
    pub months: i64,
    pub extras: Extras,
}

/// `x-request-id`, by the pattern of the document: version nibble 0-5, variant 0, 8, 9, a or b.
pub(super) fn request_id(text: &str) -> Result<(), Refusal> {
    if text.is_empty() {
        return Err(Refusal::violations(vec!["x-request-id should not be empty".to_owned()]));
    }
    let bytes = text.as_bytes();
    let shaped = bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            14 => (b'0'..=b'5').contains(byte),
            19 => matches!(byte, b'0' | b'8' | b'9' | b'a' | b'b' | b'A' | b'B'),
            _ => byte.is_ascii_hexdigit(),
        });
    if shaped {
        Ok(())
    } else {
        Err(Refusal::violations(vec!["x-request-id must be a UUID".to_owned()]))
    }
}

pub(super) fn order(body: &CreateInstance, account: &Contabo) -> Result<Order, Refusal> {
    let settings = &account.settings;
    let mut wrong = Vec::new();
    let period = body.period.unwrap_or_else(|| {
        wrong.push("period should not be empty".to_owned());
        wrong.push("period must be an integer number".to_owned());
        1
    });
    if wrong.is_empty() && !settings.periods.contains(&period) {
        let allowed: Vec<String> = settings.periods.iter().map(i64::to_string).collect();
        let allowed = allowed.join(", ");
        wrong.push(format!("period must be one of the following values: {allowed}"));
    }
    let product_id = body.product_id.as_deref().unwrap_or(DEFAULT_PRODUCT);
    if product_id.is_empty() {
        wrong.push("productId must be longer than or equal to 1 characters".to_owned());
    }
    let region_code = body.region.as_deref().unwrap_or(DEFAULT_REGION);
    let region = find_region(region_code);
    if region.is_none() {
        let all: Vec<&str> = REGIONS.iter().map(|region| region.code).collect();
        wrong.push(format!("region must be one of the following values: {}", all.join(", ")));
    }
    let image_id = body.image_id.as_deref().unwrap_or(DEFAULT_IMAGE);
    guest(&mut wrong, Some(image_id), body.default_user.as_deref(), &body.application_id);
    display_name(&mut wrong, body.display_name.as_deref());
    if body.license.as_deref().is_some_and(|license| !is_license(license)) {
        wrong.push("license must be a valid enum value".to_owned());
    }
    let Some(region) = region.filter(|_| wrong.is_empty()) else {
        return Err(Refusal::violations(wrong));
    };
    let product = find_product(product_id)
        .filter(|product| product.orderable_in(settings.line_up))
        .ok_or_else(|| wrong_id("productId", product_id))?;
    let image = account.image_ref(image_id).ok_or_else(|| wrong_id("imageId", image_id))?;
    if let Some(name) = body.add_ons.unsupported.first() {
        return Err(Refusal::sentence(400, format!("Bad Request addOns {name} is wrong")));
    }
    install(account, &body.ssh_keys, body.root_password, body.user_data.as_deref())?;
    if let Some(application) = &body.application_id {
        return Err(wrong_id("applicationId", application));
    }
    let extras = Extras {
        private_networking: body.add_ons.private_networking,
        additional_ip: body.add_ons.additional_ips,
        backup: body.add_ons.backup,
    };
    Ok(Order { product, region, image, months: period, extras })
}

pub(super) fn reinstall(body: &ReinstallInstance, account: &Contabo) -> Result<ImageRef, Refusal> {
    let mut wrong = Vec::new();
    let image_id = body.image_id.as_deref();
    if image_id.is_none() {
        wrong.push("imageId should not be empty".to_owned());
    }
    guest(&mut wrong, image_id, body.default_user.as_deref(), &body.application_id);
    let Some(image_id) = image_id.filter(|_| wrong.is_empty()) else {
        return Err(Refusal::violations(wrong));
    };
    let image = account.image_ref(image_id).ok_or_else(|| wrong_id("imageId", image_id))?;
    install(account, &body.ssh_keys, body.root_password, body.user_data.as_deref())?;
    Ok(image)
}

/// The secrets a rescue system or a password reset is given.
pub(super) fn access(body: &ActionBody, account: &Contabo) -> Result<(), Refusal> {
    install(account, &body.ssh_keys, body.root_password, body.user_data.as_deref())
}

pub(super) fn new_display_name(name: Option<&str>) -> Result<(), Refusal> {
    let mut wrong = Vec::new();
    display_name(&mut wrong, name);
    if wrong.is_empty() { Ok(()) } else { Err(Refusal::violations(wrong)) }
}

/// The date wanted by a cancellation, if one is.
pub(super) fn cancel_date(body: &CancelInstance, now: Timestamp) -> Result<Option<Date>, Refusal> {
    let Some(text) = body.cancel_date.as_deref() else { return Ok(None) };
    let date = Timestamp::from_str(text).map(date_of).or_else(|_| Date::from_str(text));
    let Ok(date) = date else {
        let text = "cancelDate must be a valid ISO 8601 date string".to_owned();
        return Err(Refusal::violations(vec![text]));
    };
    let today = date_of(now);
    let years = i64::from(date.year()) - i64::from(today.year());
    if date < today || years > CANCEL_HORIZON_YEARS {
        return Err(Refusal::sentence(400, format!("Bad Request cancelDate {date} is wrong")));
    }
    Ok(Some(date))
}

/// The dates of an audit filter.
pub(super) fn audit_dates(filter: &AuditFilter) -> Result<(Option<Date>, Option<Date>), Refusal> {
    let mut wrong = Vec::new();
    let mut parse = |name: &str, text: &Option<String>| {
        let text = text.as_deref()?;
        let date = Date::from_str(text).or_else(|_| Timestamp::from_str(text).map(date_of));
        if date.is_err() {
            wrong.push(format!("{name} must be a valid ISO 8601 date string"));
        }
        date.ok()
    };
    let dates = (parse("startDate", &filter.start_date), parse("endDate", &filter.end_date));
    if wrong.is_empty() { Ok(dates) } else { Err(Refusal::violations(wrong)) }
}

/// A tag's name and colour; `create` needs both.
pub(super) fn tag(body: &TagBody, create: bool) -> Result<(), Refusal> {
    let mut wrong = Violations::default();
    let name = body.name.as_deref();
    wrong.length("name", name, create, 1, TAG_NAME_LIMIT);
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b":_-".contains(&b);
    if name.is_some_and(|name| !name.bytes().all(allowed)) {
        wrong.add("name must match /^[A-Za-z0-9:_-]+$/ regular expression");
    }
    match body.color.as_deref() {
        None if create => wrong.add("color should not be empty"),
        Some(color) if !is_color(color) => wrong.add("color must be a hexadecimal color"),
        _ => {}
    }
    wrong.done()
}

fn is_color(text: &str) -> bool {
    text.strip_prefix('#').is_some_and(|digits| {
        (3..=6).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

fn is_license(text: &str) -> bool {
    let c_panel = text.strip_prefix("cPanel").and_then(|count| count.parse::<u32>().ok());
    matches!(text, "PleskAdmin" | "PleskHost" | "PleskPro")
        || c_panel.is_some_and(|n| matches!(n, 5 | 30) || (n % 50 == 0 && (50..=1000).contains(&n)))
}

fn display_name(wrong: &mut Vec<String>, name: Option<&str>) {
    if name.is_some_and(|name| name.chars().count() > DISPLAY_NAME_LIMIT) {
        wrong.push(format!(
            "displayName must be shorter than or equal to {DISPLAY_NAME_LIMIT} characters"
        ));
    }
}

fn guest(
    wrong: &mut Vec<String>,
    image_id: Option<&str>,
    default_user: Option<&str>,
    application_id: &Option<String>,
) {
    if image_id.is_some_and(|id| !is_image_id(id)) {
        wrong.push("imageId must be a UUID".to_owned());
    }
    if default_user.is_some_and(|user| !DEFAULT_USERS.contains(&user)) {
        let all = DEFAULT_USERS.join(", ");
        wrong.push(format!("defaultUser must be one of the following values: {all}"));
    }
    if application_id.as_deref().is_some_and(|id| !is_image_id(id)) {
        wrong.push("applicationId must be a UUID".to_owned());
    }
}

/// What the installer needs: secrets that exist, user-data that fits.
fn install(
    account: &Contabo,
    ssh_keys: &[i64],
    root_password: Option<i64>,
    user_data: Option<&str>,
) -> Result<(), Refusal> {
    if let Some(id) = ssh_keys.iter().find(|id| !account.has_secret(**id, SecretKind::Ssh)) {
        return Err(wrong_id("sshKeys", id));
    }
    if root_password.is_some_and(|id| !account.has_secret(id, SecretKind::Password)) {
        // Live, a wrong id ends in this instead of a refusal that says so.
        return Err(Refusal::sentence(500, "Internal Server Error"));
    }
    if user_data.is_some_and(|text| text.len() > account.settings.max_user_data) {
        return Err(Refusal::sentence(400, "Bad Request userData is too long"));
    }
    Ok(())
}

fn wrong_id(field: &str, value: impl std::fmt::Display) -> Refusal {
    Refusal::sentence(400, format!("Bad Request {field} {value} is wrong"))
}
