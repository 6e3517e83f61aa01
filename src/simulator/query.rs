//! Query parameters into the model's filters. Unknown ones are ignored, as the live API seems to.

use devpocket_controllers::sim::contabo::{
    AuditFilter, DataCenterFilter, ImageFilter, InstanceFilter, NetworkFilter, Page, SecretFilter,
};

/// The decoded parameters of a request, in their order, and what was wrong with them.
pub(super) struct Query {
    pairs: Vec<(String, String)>,
    wrong: Vec<String>,
}

impl Query {
    pub fn parse(raw: &str) -> Query {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        });
        Query { pairs: pairs.collect(), wrong: Vec::new() }
    }

    /// A parameter without a value is not there.
    fn text(&self, name: &str) -> Option<String> {
        let found = self.pairs.iter().find(|(own, value)| own == name && !value.is_empty());
        found.map(|(_, value)| value.clone())
    }

    fn integer(&mut self, name: &str) -> Option<i64> {
        let text = self.text(name)?;
        let number = text.trim().parse().ok();
        if number.is_none() {
            self.wrong.push(format!("{name} must be an integer number"));
        }
        number
    }

    fn boolean(&mut self, name: &str) -> Option<bool> {
        match self.text(name).as_deref() {
            None => None,
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(_) => {
                self.wrong.push(format!("{name} must be a boolean value"));
                None
            }
        }
    }

    /// Values separated by commas, with or without spaces.
    fn texts(&self, name: &str) -> Option<Vec<String>> {
        let text = self.text(name)?;
        Some(text.split(',').map(|one| one.trim().to_owned()).collect())
    }

    fn integers(&mut self, name: &str) -> Option<Vec<i64>> {
        let texts = self.texts(name)?;
        let numbers: Option<Vec<i64>> = texts.iter().map(|text| text.parse().ok()).collect();
        if numbers.is_none() {
            self.wrong.push(format!("each value in {name} must be an integer number"));
        }
        numbers
    }

    pub fn page(&mut self) -> Page {
        let orders = self.pairs.iter().filter(|(name, _)| name == "orderBy");
        let order_by = orders.map(|(_, value)| value.clone()).collect();
        Page { page: self.integer("page"), size: self.integer("size"), order_by }
    }

    pub fn instances(&mut self) -> InstanceFilter {
        InstanceFilter {
            name: self.text("name"),
            display_name: self.text("displayName"),
            data_center: self.text("dataCenter"),
            region: self.text("region"),
            instance_id: self.integer("instanceId"),
            instance_ids: self.integers("instanceIds"),
            statuses: self.texts("status"),
            product_ids: self.texts("productIds"),
            add_on_ids: self.integers("addOnIds"),
            product_types: self.texts("productTypes"),
            ip_config: self.boolean("ipConfig"),
            search: self.text("search"),
        }
    }

    pub fn images(&mut self) -> ImageFilter {
        ImageFilter {
            name: self.text("name"),
            standard_image: self.boolean("standardImage"),
            search: self.text("search"),
        }
    }

    pub fn audits(&mut self) -> AuditFilter {
        AuditFilter {
            request_id: self.text("requestId"),
            instance_id: self.integer("instanceId"),
            snapshot_id: self.text("snapshotId"),
            image_id: self.text("imageId"),
            secret_id: self.integer("secretId"),
            tag_id: self.integer("tagId"),
            resource_id: self.text("resourceId"),
            network_id: self.integer("privateNetworkId"),
            changed_by: self.text("changedBy"),
            start_date: self.text("startDate"),
            end_date: self.text("endDate"),
        }
    }

    pub fn secrets(&self) -> SecretFilter {
        SecretFilter { name: self.text("name"), kind: self.text("type") }
    }

    pub fn data_centers(&self) -> DataCenterFilter {
        DataCenterFilter {
            slug: self.text("slug"),
            name: self.text("name"),
            region_name: self.text("regionName"),
            region_slug: self.text("regionSlug"),
        }
    }

    pub fn networks(&mut self) -> NetworkFilter {
        NetworkFilter {
            name: self.text("name"),
            instance_ids: self.integers("instanceIds"),
            region: self.text("region"),
            data_center: self.text("dataCenter"),
        }
    }

    pub fn name(&self) -> Option<String> {
        self.text("name")
    }

    pub fn resource_type(&self) -> Option<String> {
        self.text("resourceType")
    }

    /// What was asked for in a form that cannot be meant.
    pub fn violations(self) -> Vec<String> {
        self.wrong
    }
}

/// Percent-decoding, with `+` for a space; what is not UTF-8 then cannot match anything anyway.
pub(super) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let byte = hex
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_judged() {
        let mut query = Query::parse(
            "displayName=a%20b+c%&instanceIds=1,%202&orderBy=name:ASC&orderBy=x&page=z&nope=1",
        );
        let filter = query.instances();
        assert_eq!(filter.display_name.as_deref(), Some("a b c%"));
        assert_eq!(filter.instance_ids, Some(vec![1, 2]));
        let page = query.page();
        assert_eq!((page.page, page.order_by.len()), (None, 2));
        assert_eq!(query.violations(), ["page must be an integer number"]);
    }
}
