//! Which form of an object the client asked for, in its `Accept` header.
//!
//! A part of the header that is not understood is passed over, as HTTP has it; only when nothing is
//! left is the request refused (406).

use axum::http::{HeaderMap, header};
use devpocket_specs::status::{Reason, Status};

/// Group of the forms that are not the object itself.
const META: &str = "meta.k8s.io";
/// Its versions; the older one has the same shape.
const VERSIONS: [&str; 2] = ["v1", "v1beta1"];
const JSON: &str = "application/json";

/// How objects are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// The object itself.
    #[default]
    Whole,
    /// A table with a row an object, for people.
    Table { version: &'static str },
    /// Metadata only.
    Metadata { version: &'static str },
}

impl Form {
    /// The first form in the header that can be had.
    pub(super) fn asked(headers: &HeaderMap) -> Result<Form, Status> {
        let lines = headers.get_all(header::ACCEPT).iter();
        let lines: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
        let mut asked = lines.iter().flat_map(|line| line.split(',')).map(str::trim);
        let mut given = asked.clone().filter(|part| !part.is_empty()).peekable();
        if given.peek().is_none() {
            return Ok(Form::Whole);
        }
        asked.find_map(one).ok_or_else(|| {
            let message = format!(
                "only the following media types are accepted: {JSON}, \
                 {JSON};as=Table;g={META};v=v1, {JSON};as=PartialObjectMetadata;g={META};v=v1"
            );
            Status::new(Reason::NotAcceptable, message)
        })
    }
}

/// One media type of the header, with its parameters.
fn one(part: &str) -> Option<Form> {
    let mut parameters = part.split(';').map(str::trim);
    let media_type = parameters.next()?.to_ascii_lowercase();
    if !matches!(media_type.as_str(), JSON | "application/*" | "*/*") {
        return None;
    }
    let parameters: Vec<(&str, &str)> =
        parameters.filter_map(|parameter| parameter.split_once('=')).collect();
    let value = |name: &str| parameters.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
    let Some(form) = value("as") else { return Some(Form::Whole) };
    let version = VERSIONS.into_iter().find(|version| value("v") == Some(version))?;
    match (form, value("g")) {
        ("Table", Some(META)) => Some(Form::Table { version }),
        ("PartialObjectMetadata" | "PartialObjectMetadataList", Some(META)) => {
            Some(Form::Metadata { version })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(accept: &str) -> Result<Form, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        Form::asked(&headers).map_err(|status| status.reason.code())
    }

    #[test]
    fn the_first_form_that_can_be_had_is_taken() {
        let table = Form::Table { version: "v1" };
        for (accept, form) in [
            ("", Form::Whole),
            ("*/*", Form::Whole),
            ("application/json", Form::Whole),
            // kubectl get
            (
                "application/json;as=Table;v=v1;g=meta.k8s.io,\
                 application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
                table,
            ),
            (
                "application/json;as=Table;g=meta.k8s.io;v=v1beta1",
                Form::Table { version: "v1beta1" },
            ),
            // A typed client that would rather have what is not spoken here.
            ("application/vnd.kubernetes.protobuf, application/json", Form::Whole),
            (
                "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,\
                 application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
                Form::Metadata { version: "v1" },
            ),
            ("application/json;as=Table;g=meta.k8s.io;v=v7,application/json", Form::Whole),
            ("application/json;q=0.9, text/html", Form::Whole),
        ] {
            assert_eq!(asked(accept), Ok(form), "{accept}");
        }
    }

    #[test]
    fn what_cannot_be_had_at_all_is_refused() {
        for accept in [
            "text/html",
            "application/vnd.kubernetes.protobuf",
            "application/json;as=Table;g=meta.k8s.io;v=v7",
            "application/json;as=Chart;g=meta.k8s.io;v=v1",
        ] {
            assert_eq!(asked(accept), Err(406), "{accept}");
        }
    }
}
