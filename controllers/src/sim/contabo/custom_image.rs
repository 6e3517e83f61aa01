//! Images: the standard ones, and those a customer had downloaded from an address.
//!
//! A custom image takes space that was paid for; it is downloaded in the background, and an address
//! that cannot be read is noticed only then.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::audit::{AuditAction, Trail};
use super::body::ImageBody;
use super::call::Call;
use super::fault::{Drawn, FaultKind};
use super::filter::{ImageFilter, Page};
use super::image::{IMAGES, Image, find_image};
use super::lifecycle::after;
use super::reply::{Body, Reply};
use super::resource_view::{ImageChangedView, ImageStatsView, ImageView};
use super::seed::{self, Stream};
use super::validate::{Refusal, Violations};
use super::{Contabo, Note};

/// Standard images carry no date of their own; this is when the simulated ones were uploaded.
const IMAGES_UPLOADED: &str = "2025-04-01T08:00:00Z";
/// Longest name, version and description of a custom image, in characters.
const TEXT_LIMIT: usize = 255;
/// Longest address, in characters.
const URL_LIMIT: usize = 2048;
/// A custom image's size lies between these, in MB.
const SIZE_MB: (u64, u64) = (400, 3_000);
/// Nothing answers in this domain, so no download from it succeeds.
const UNREACHABLE: &str = ".invalid";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomImage {
    pub image_id: String,
    pub name: String,
    pub description: String,
    pub url: String,
    pub os_type: String,
    pub version: String,
    pub size_mb: i64,
    pub created: Timestamp,
    pub modified: Timestamp,
    /// When the download ends, well or badly.
    pub ready_from: Timestamp,
}

impl CustomImage {
    fn fails(&self) -> bool {
        let host = self.url.split("//").nth(1).unwrap_or("").split('/').next().unwrap_or("");
        host.split(':').next().unwrap_or("").ends_with(UNREACHABLE)
    }

    fn status(&self, now: Timestamp) -> &'static str {
        match (now >= self.ready_from, self.fails()) {
            (false, _) => "Pending",
            (true, false) => "Downloaded",
            (true, true) => "Error",
        }
    }
}

/// An image that machines can be installed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ImageRef {
    pub id: String,
    pub name: String,
}

/// A row of the list: standard or custom.
enum Row<'a> {
    Standard(&'static Image),
    Custom(&'a CustomImage),
}

impl Contabo {
    pub(super) fn list_images(
        &self,
        filter: &ImageFilter,
        page: &Page,
        fault: Option<&FaultKind>,
    ) -> Result<Reply, Refusal> {
        let contains = |wanted: &Option<String>, own: &str| {
            wanted.as_ref().is_none_or(|wanted| own.contains(wanted.as_str()))
        };
        let passes = |name: &str, description: &str, standard: bool| {
            contains(&filter.name, name)
                && filter.standard_image.is_none_or(|wanted| wanted == standard)
                && (contains(&filter.search, name) || contains(&filter.search, description))
        };
        let standard = IMAGES.iter().filter(|own| passes(own.name, own.description, true));
        let custom = self.images.values().filter(|own| passes(&own.name, &own.description, false));
        let mut rows: Vec<Row<'_>> =
            standard.map(Row::Standard).chain(custom.map(Row::Custom)).collect();
        super::list::sort(&mut rows, page, |row, field| match (row, field) {
            (Row::Standard(image), "name") => image.name.to_owned(),
            (Row::Custom(image), "name") => image.name.clone(),
            (Row::Standard(image), "imageId") => image.id.to_owned(),
            (Row::Custom(image), "imageId") => image.image_id.clone(),
            _ => String::new(),
        });
        let rows = self.paged(rows, page, fault)?;
        let views = rows.map(|row| {
            let view = match row {
                Row::Standard(image) => self.standard_view(image),
                Row::Custom(image) => self.custom_view(image),
            };
            let tags = self.tags_of("image", &view.image_id);
            ImageView { tags: Some(tags), ..view }
        });
        Ok(Reply::read(Body::Images(views)))
    }

    pub(super) fn get_image(&self, id: &str) -> Result<Reply, Refusal> {
        let view = match (find_image(id), self.images.get(id)) {
            (Some(image), _) => self.standard_view(image),
            (None, Some(image)) => self.custom_view(image),
            (None, None) => return Err(Refusal::not_found("Image", id)),
        };
        Ok(Reply::read(Body::Image(Box::new(view))))
    }

    pub(super) fn create_image(
        &mut self,
        call: &Call,
        body: &ImageBody,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        judge(body, true)?;
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let url = text(&body.url);
        let path = url.split(['?', '#']).next().unwrap_or("");
        if !path.ends_with(".iso") && !path.ends_with(".qcow2") {
            return Err(Refusal::sentence(415, "Only .iso and .qcow2 images are supported"));
        }
        let number = self.last_image + 1;
        let size_mb = seed::between(self.seed, Stream::Imaging, number, SIZE_MB.0, SIZE_MB.1);
        let size_mb = i64::try_from(size_mb).unwrap_or(i64::MAX);
        if self.used_image_mb() + size_mb > self.settings.custom_image_mb {
            let text = "Custom images need more space than was bought";
            return Err(Refusal::sentence(402, text));
        }
        self.last_image = number;
        let high = seed::draw(self.seed, Stream::Imaging, number << 8);
        let low = seed::draw(self.seed, Stream::Imaging, (number << 8) + 1);
        let drawn_id = uuid::Builder::from_random_bytes(
            (u128::from(high) << 64 | u128::from(low)).to_be_bytes(),
        );
        let id = drawn_id.into_uuid().to_string();
        let download = self.settings.paced(self.settings.image_download);
        let image = CustomImage {
            image_id: id.clone(),
            name: text(&body.name),
            description: text(&body.description),
            url,
            os_type: text(&body.os_type),
            version: text(&body.version),
            size_mb,
            created: self.now,
            modified: self.now,
            ready_from: after(self.now, download),
        };
        let note =
            note(AuditAction::Created, &id).changes(json!({}), json!({ "name": image.name }));
        self.audit(call, drawn, note);
        self.images.insert(id.clone(), image);
        Ok(Reply::accepted(201, Body::ImageCreated(self.image_changed(id))))
    }

    pub(super) fn update_image(
        &mut self,
        call: &Call,
        id: &str,
        body: &ImageBody,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        let old = self.own_image(id)?.clone();
        judge(body, false)?;
        let new = CustomImage {
            name: body.name.clone().unwrap_or(old.name.clone()),
            description: body.description.clone().unwrap_or(old.description),
            modified: self.now,
            ..old
        };
        let note = note(AuditAction::Updated, id)
            .changes(json!({ "name": old.name }), json!({ "name": new.name }));
        self.audit(call, drawn, note);
        self.images.insert(id.to_owned(), new);
        Ok(Reply::accepted(200, Body::ImageChanged(self.image_changed(id.to_owned()))))
    }

    pub(super) fn delete_image(
        &mut self,
        call: &Call,
        id: &str,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        let image = self.own_image(id)?.clone();
        self.images.remove(id);
        self.untag("image", id);
        let note = note(AuditAction::Deleted, id).changes(json!({ "name": image.name }), json!({}));
        self.audit(call, drawn, note);
        Ok(Reply::accepted(204, Body::Empty))
    }

    pub(super) fn image_stats(&self) -> Reply {
        let (total, used) = (self.settings.custom_image_mb, self.used_image_mb());
        Reply::read(Body::ImageStats(ImageStatsView {
            tenant_id: self.settings.account.tenant_id.clone(),
            customer_id: self.settings.account.customer_id.clone(),
            current_images_count: self.images.len() as u64,
            total_size_mb: total,
            used_size_mb: used,
            free_size_mb: (total - used).max(0),
        }))
    }

    /// The image of this id, if machines can be installed with it now.
    pub(super) fn image_ref(&self, id: &str) -> Option<ImageRef> {
        let standard = find_image(id)
            .map(|image| ImageRef { id: image.id.to_owned(), name: image.name.to_owned() });
        standard.or_else(|| {
            let image = self.images.get(id)?;
            (image.status(self.now) == "Downloaded")
                .then(|| ImageRef { id: image.image_id.clone(), name: image.name.clone() })
        })
    }

    /// The name of an image, also of one that was deleted since.
    pub(super) fn image_name(&self, id: &str) -> String {
        self.image_ref(id).map_or_else(|| "custom".to_owned(), |image| image.name)
    }

    fn own_image(&self, id: &str) -> Result<&CustomImage, Refusal> {
        if find_image(id).is_some() {
            return Err(Refusal::sentence(403, "Standard images can not be changed"));
        }
        self.images.get(id).ok_or_else(|| Refusal::not_found("Image", id))
    }

    fn used_image_mb(&self) -> i64 {
        self.images.values().map(|image| image.size_mb).sum()
    }

    fn image_changed(&self, image_id: String) -> ImageChangedView {
        let account = &self.settings.account;
        ImageChangedView {
            tenant_id: account.tenant_id.clone(),
            customer_id: account.customer_id.clone(),
            image_id,
        }
    }

    fn standard_view(&self, image: &Image) -> ImageView {
        let uploaded = IMAGES_UPLOADED.parse().unwrap_or(Timestamp::UNIX_EPOCH);
        ImageView {
            image_id: image.id.to_owned(),
            tenant_id: self.settings.account.tenant_id.clone(),
            customer_id: self.settings.account.customer_id.clone(),
            name: image.name.to_owned(),
            description: image.description.to_owned(),
            url: String::new(),
            size_mb: 2048,
            uploaded_size_mb: 2048,
            os_type: "Linux".to_owned(),
            version: image.version.to_owned(),
            format: "qcow2".to_owned(),
            status: "Downloaded".to_owned(),
            error_message: String::new(),
            standard_image: true,
            creation_date: uploaded,
            last_modified_date: uploaded,
            tags: None,
        }
    }

    fn custom_view(&self, image: &CustomImage) -> ImageView {
        let status = image.status(self.now);
        let error =
            if status == "Error" { "Error downloading image from provided URL" } else { "" };
        ImageView {
            image_id: image.image_id.clone(),
            tenant_id: self.settings.account.tenant_id.clone(),
            customer_id: self.settings.account.customer_id.clone(),
            name: image.name.clone(),
            description: image.description.clone(),
            url: image.url.clone(),
            size_mb: image.size_mb,
            uploaded_size_mb: if status == "Downloaded" { image.size_mb } else { 0 },
            os_type: image.os_type.clone(),
            version: image.version.clone(),
            format: if image.url.contains(".iso") { "iso" } else { "qcow2" }.to_owned(),
            status: status.to_owned(),
            error_message: error.to_owned(),
            standard_image: false,
            creation_date: image.created,
            last_modified_date: image.modified,
            tags: None,
        }
    }
}

fn note(action: AuditAction, id: &str) -> Note {
    Note { entry: Some(id.to_owned()), ..Note::new(Trail::Images, action, 0) }
}

fn judge(body: &ImageBody, create: bool) -> Result<(), Refusal> {
    let mut wrong = Violations::default();
    wrong.length("name", body.name.as_deref(), create, 1, TEXT_LIMIT);
    wrong.length("description", body.description.as_deref(), false, 0, TEXT_LIMIT);
    if create {
        wrong.length("version", body.version.as_deref(), true, 1, TEXT_LIMIT);
        wrong.length("url", body.url.as_deref(), true, 1, URL_LIMIT);
        let url = body.url.as_deref().unwrap_or("");
        if !url.starts_with("https://") && !url.starts_with("http://") {
            wrong.add("url must be a URL address");
        }
        if !matches!(body.os_type.as_deref(), Some("Linux" | "Windows")) {
            wrong.add("osType must be one of the following values: Windows, Linux");
        }
    }
    wrong.done()
}

/// Whether a text has the form of an image's id.
pub(super) fn is_image_id(text: &str) -> bool {
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}
