//! Reading replies with tolerance. Contabo's replies break its own schema: required fields are
//! null or absent, numbers and words nobody announced appear. What is needed to act safely (ids,
//! page counts) is required; everything else is optional.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;

use devpocket_controllers::cloud::{Audit, CloudError, Image, Instance, Ordered, Page, Tag};

/// Largest reply read, in bytes: 100 instances are about 200 kB.
pub const BODY_MAX: usize = 8 * 1024 * 1024;

/// A reply without what is needed.
pub(super) fn bad(what: &str) -> CloudError {
    CloudError::BadReply { message: what.to_owned() }
}

/// Parses a body.
pub fn json(body: &[u8]) -> Result<Value, CloudError> {
    serde_json::from_slice(body).map_err(|_| bad("the reply is not JSON"))
}

/// The items of a reply; `data` is always a list, even for one object.
fn data(reply: &Value) -> Result<&Vec<Value>, CloudError> {
    reply["data"].as_array().ok_or_else(|| bad("the reply has no list \"data\""))
}

/// The only item of a reply.
pub(super) fn single(reply: &Value) -> Result<&Value, CloudError> {
    match data(reply)?.as_slice() {
        [one] => Ok(one),
        items => Err(bad(&format!("one object was expected, {} came", items.len()))),
    }
}

/// A page, all of whose items must be readable: a skipped item would read as a vanished machine.
pub fn page<T>(
    reply: &Value,
    item: impl Fn(&Value) -> Result<T, CloudError>,
) -> Result<Page<T>, CloudError> {
    let items = data(reply)?.iter().map(item).collect::<Result<Vec<_>, _>>()?;
    let pagination = &reply["_pagination"];
    let number = |field: &str| {
        whole(&pagination[field]).ok_or_else(|| bad(&format!("_pagination.{field} is missing")))
    };
    let pages = u32::try_from(number("totalPages")?).map_err(|_| bad("_pagination.totalPages"))?;
    Ok(Page {
        items,
        page: u32::try_from(number("page")?).map_err(|_| bad("_pagination.page"))?,
        total_pages: pages,
        total_elements: u64::try_from(number("totalElements")?)
            .map_err(|_| bad("_pagination.totalElements"))?,
    })
}

pub fn one_instance(reply: &Value) -> Result<Instance, CloudError> {
    instance(single(reply)?)
}

pub fn instance(item: &Value) -> Result<Instance, CloudError> {
    let id = whole(&item["instanceId"])
        .filter(|id| *id > 0)
        .ok_or_else(|| bad("an instance has no instanceId"))?;
    let status = text(&item["status"]).ok_or_else(|| bad("an instance has no status"))?;
    Ok(Instance {
        id,
        name: text(&item["name"]).unwrap_or_default(),
        display_name: text(&item["displayName"]).unwrap_or_default(),
        status,
        product_id: text(&item["productId"]).unwrap_or_default(),
        region: text(&item["region"]).unwrap_or_default(),
        data_center: text(&item["dataCenter"]),
        image_id: text(&item["imageId"]),
        address: text(&item["ipConfig"]["v4"]["ip"]),
        address_v6: text(&item["ipConfig"]["v6"]["ip"]),
        ram_mb: whole(&item["ramMb"]),
        cpu_cores: whole(&item["cpuCores"]),
        disk_mb: whole(&item["diskMb"]),
        created: time(&item["createdDate"]),
        cancel_date: date(&item["cancelDate"]),
        error_message: text(&item["errorMessage"]),
    })
}

pub fn ordered(reply: &Value) -> Result<Ordered, CloudError> {
    let item = single(reply)?;
    let instance_id = whole(&item["instanceId"])
        .filter(|id| *id > 0)
        .ok_or_else(|| bad("the order's reply has no instanceId"))?;
    Ok(Ordered { instance_id, status: text(&item["status"]) })
}

pub fn image(item: &Value) -> Result<Image, CloudError> {
    Ok(Image {
        id: text(&item["imageId"]).ok_or_else(|| bad("an image has no imageId"))?,
        name: text(&item["name"]).unwrap_or_default(),
        standard: item["standardImage"].as_bool().unwrap_or(false),
    })
}

pub fn audit(item: &Value) -> Result<Audit, CloudError> {
    Ok(Audit {
        id: whole(&item["id"]).unwrap_or_default(),
        action: text(&item["action"]).unwrap_or_default(),
        at: time(&item["timestamp"]).ok_or_else(|| bad("an audit entry has no timestamp"))?,
        request_id: text(&item["requestId"]).unwrap_or_default(),
        trace_id: text(&item["traceId"]),
        username: text(&item["username"]).unwrap_or_default(),
        // Absent or null is "not known yet"; anything else that is no number is not understood,
        // or an entry about a machine would pass for one about none.
        instance_id: match &item["instanceId"] {
            Value::Null => 0,
            id => whole(id).ok_or_else(|| bad("an audit entry's instanceId is no number"))?,
        },
        changes: item["changes"].clone(),
    })
}

pub fn one_tag(reply: &Value) -> Result<Tag, CloudError> {
    tag(single(reply)?)
}

pub fn tag(item: &Value) -> Result<Tag, CloudError> {
    Ok(Tag {
        id: whole(&item["tagId"]).ok_or_else(|| bad("a tag has no tagId"))?,
        name: text(&item["name"]).unwrap_or_default(),
    })
}

/// The last day a cancellation answered, where it did.
pub fn cancel_date(reply: &Value) -> Option<Date> {
    date(&reply["data"][0]["cancelDate"])
}

/// Non-empty text.
pub(super) fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|t| !t.is_empty()).map(str::to_owned)
}

/// A whole number, also where it came as text or with a fraction of zero.
pub(super) fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(n) => n.as_i64().or_else(|| {
            let float = n.as_f64()?;
            (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64)
        }),
        Value::String(s) => s.parse().ok(),
        _ => None,
    }
}

pub(super) fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// A day, also where a whole time stamp came.
fn date(value: &Value) -> Option<Date> {
    let text = value.as_str()?;
    text.get(..10).unwrap_or(text).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn an_instance_without_hardware_is_read() {
        let read = instance(&json!({
            "instanceId": 100, "status": "pending_payment", "name": null, "displayName": "",
            "ipConfig": null, "cancelDate": null, "ramMb": null, "productId": "V91", "new": {}
        }))
        .unwrap();
        assert_eq!((read.id, read.status.as_str()), (100, "pending_payment"));
        assert_eq!((read.address, read.cancel_date, read.ram_mb), (None, None, None));
    }

    #[test]
    fn an_empty_page_is_a_page() {
        let reply = json!({"data": [], "_pagination":
            {"size": 100, "totalElements": 0, "totalPages": 0, "page": 1}, "_links": {"last": ""}});
        assert_eq!(page(&reply, instance).unwrap().items.len(), 0);
    }

    #[test]
    fn a_page_that_cannot_be_judged_is_an_error() {
        assert!(page(&json!({"data": []}), instance).is_err());
        let broken = json!({"data": [{"status": "running"}], "_pagination":
            {"size": 100, "totalElements": 1, "totalPages": 1, "page": 1}});
        assert!(page(&broken, instance).is_err());
    }

    proptest! {
        #[test]
        fn nothing_that_comes_makes_it_fall_over(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = json(&body) {
                let _ = page(&value, instance);
                let _ = ordered(&value);
                let _ = cancel_date(&value);
            }
        }
    }
}
