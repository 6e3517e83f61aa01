//! What a path names. Driven by the table of kinds: no kind has code of its own here.

use devpocket_specs::kind::{GROUP, Kind, VERSION};
use devpocket_specs::object::Key;

use super::events;

/// Group of the reviews of who one is.
pub(super) const AUTHENTICATION: &str = "authentication.k8s.io";
/// Group of the reviews of what one may do.
pub(super) const AUTHORIZATION: &str = "authorization.k8s.io";

/// A part of an object with a path of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Status,
    Plan,
    Decisions,
    Exec,
    Log,
    Approval,
    Undelete,
    Resolve,
}

impl Part {
    pub(super) fn word(self) -> &'static str {
        match self {
            Part::Status => "status",
            Part::Plan => "plan",
            Part::Decisions => "decisions",
            Part::Exec => "exec",
            Part::Log => "log",
            Part::Approval => "approval",
            Part::Undelete => "undelete",
            Part::Resolve => "resolve",
        }
    }

    /// The Kubernetes verbs it takes.
    pub(super) fn verbs(self) -> &'static [&'static str] {
        match self {
            Part::Status => &["get", "patch", "update"],
            Part::Plan => &["create", "get"],
            Part::Decisions | Part::Log => &["get"],
            Part::Exec | Part::Approval | Part::Undelete | Part::Resolve => &["create"],
        }
    }
}

/// The subresources of a kind.
pub(super) fn parts(kind: Kind) -> Vec<Part> {
    let own: &[Part] = match kind {
        Kind::Environment => {
            &[Part::Approval, Part::Decisions, Part::Exec, Part::Log, Part::Plan, Part::Undelete]
        }
        Kind::Operation => &[Part::Resolve],
        _ => &[],
    };
    let status = kind.info().has_status.then_some(Part::Status);
    own.iter().copied().chain(status).collect()
}

/// Objects of a kind, one of them, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ResourcePath {
    pub kind: Kind,
    /// Empty: all namespaces, or a cluster-scoped kind.
    pub namespace: String,
    /// Empty: all of them.
    pub name: String,
    pub part: Option<Part>,
    /// Events by the names of `events.k8s.io`.
    pub new_events: bool,
}

impl ResourcePath {
    pub(super) fn key(&self) -> Key {
        Key::new(self.kind, self.namespace.clone(), self.name.clone())
    }
}

/// What a path under the prefix leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The prefix itself: the list of paths.
    Root,
    Version,
    /// `/api`
    CoreVersions,
    /// `/apis`
    Groups,
    /// `/apis/GROUP`
    Group(String),
    /// `/api/v1`, `/apis/GROUP/VERSION`
    Resources {
        group: String,
        version: String,
    },
    SelfSubjectAccessReview,
    SelfSubjectRulesReview,
    SelfSubjectReview,
    /// `/openapi/v3`
    OpenApi,
    /// `/openapi/v3/api/v1`, `/openapi/v3/apis/GROUP/VERSION`
    OpenApiOf {
        group: String,
        version: String,
    },
    Catalogue,
    /// `/apis/devpocket.dev/v1alpha1/sealingkeys`
    Keys,
    /// `/apis/devpocket.dev/v1alpha1/sealingkeys/rotate`
    KeyRotation,
    Resource(ResourcePath),
}

/// Reads a path without the prefix; `None` leads nowhere.
pub(super) fn parse(path: &str) -> Option<Target> {
    let segments = path.split('/').filter(|s| !s.is_empty()).map(decode);
    let segments = segments.collect::<Option<Vec<String>>>()?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        [] => Some(Target::Root),
        ["version"] => Some(Target::Version),
        ["api"] => Some(Target::CoreVersions),
        ["apis"] => Some(Target::Groups),
        ["apis", group] => is_group(group).then(|| Target::Group((*group).to_owned())),
        ["api", "v1"] => Some(resources("", "v1")),
        ["apis", group, version] => served(group, version).then(|| resources(group, version)),
        ["apis", AUTHORIZATION, "v1", "selfsubjectaccessreviews"] => {
            Some(Target::SelfSubjectAccessReview)
        }
        ["apis", AUTHORIZATION, "v1", "selfsubjectrulesreviews"] => {
            Some(Target::SelfSubjectRulesReview)
        }
        ["openapi", "v3"] => Some(Target::OpenApi),
        ["openapi", "v3", "api", "v1"] => Some(openapi("", "v1")),
        ["openapi", "v3", "apis", group, version] => {
            served(group, version).then(|| openapi(group, version))
        }
        ["apis", AUTHENTICATION, "v1", "selfsubjectreviews"] => Some(Target::SelfSubjectReview),
        ["apis", GROUP, VERSION, "catalogue"] => Some(Target::Catalogue),
        ["apis", GROUP, VERSION, "sealingkeys"] => Some(Target::Keys),
        ["apis", GROUP, VERSION, "sealingkeys", "rotate"] => Some(Target::KeyRotation),
        ["api", "v1", rest @ ..] => resource("", "v1", rest),
        ["apis", group, version, rest @ ..] => resource(group, version, rest),
        _ => None,
    }
}

fn resources(group: &str, version: &str) -> Target {
    Target::Resources { group: group.to_owned(), version: version.to_owned() }
}

fn openapi(group: &str, version: &str) -> Target {
    Target::OpenApiOf { group: group.to_owned(), version: version.to_owned() }
}

/// The groups and versions served, in the order discovery lists them; core is not among them.
pub(super) fn group_versions() -> Vec<(&'static str, &'static str)> {
    let mut all = vec![(GROUP, VERSION)];
    for info in Kind::all().map(Kind::info).filter(|info| !info.group.is_empty()) {
        if !all.contains(&(info.group, info.version)) {
            all.push((info.group, info.version));
        }
    }
    all.extend([(AUTHENTICATION, "v1"), (AUTHORIZATION, "v1"), (events::GROUP, events::VERSION)]);
    all
}

fn is_group(group: &str) -> bool {
    group_versions().iter().any(|(known, _)| *known == group)
}

fn served(group: &str, version: &str) -> bool {
    group_versions().contains(&(group, version))
}

fn resource(group: &str, version: &str, rest: &[&str]) -> Option<Target> {
    let new_events = (group, version) == (events::GROUP, events::VERSION);
    let (group, version) = if new_events { ("", "v1") } else { (group, version) };
    let find = |plural: &str| {
        let found = Kind::from_path(group, version, plural);
        found.filter(|kind| !new_events || *kind == Kind::Event)
    };
    let path = |kind: Kind, namespace: &str, name: &str, part: Option<Part>| {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        Some(Target::Resource(ResourcePath { kind, namespace, name, part, new_events }))
    };
    let part_of = |kind: Kind, word: &str| parts(kind).into_iter().find(|p| p.word() == word);
    match rest {
        // `namespaces/NAME/PLURAL` is a collection; `namespaces/NAME/PART` a part of a namespace.
        ["namespaces", namespace, plural, rest @ ..]
            if find(plural).is_some_and(Kind::is_namespaced) =>
        {
            let kind = find(plural)?;
            match rest {
                [] => path(kind, namespace, "", None),
                [name] => path(kind, namespace, name, None),
                [name, part] => path(kind, namespace, name, Some(part_of(kind, part)?)),
                _ => None,
            }
        }
        [plural] => path(find(plural)?, "", "", None),
        [plural, rest @ ..] => {
            let kind = find(plural).filter(|kind| !kind.is_namespaced())?;
            match rest {
                [name] => path(kind, "", name, None),
                [name, part] => path(kind, "", name, Some(part_of(kind, part)?)),
                _ => None,
            }
        }
        [] => None,
    }
}

/// Undoes percent-encoding. `None` for what is not UTF-8, and for an encoded slash: no name has one,
/// and a proxy in front may read it as a separator.
fn decode(segment: &str) -> Option<String> {
    if !segment.contains('%') {
        return Some(segment.to_owned());
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let byte = u8::try_from(digit()? * 16 + digit()?).ok()?;
        if byte == b'/' {
            return None;
        }
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str) -> Option<(Kind, String, String, Option<Part>)> {
        match parse(path)? {
            Target::Resource(r) => Some((r.kind, r.namespace, r.name, r.part)),
            _ => None,
        }
    }

    #[test]
    fn every_kind_has_its_paths() {
        for kind in Kind::all() {
            let info = kind.info();
            let base = if info.group.is_empty() {
                "/api/v1".to_owned()
            } else {
                format!("/apis/{}/{}", info.group, info.version)
            };
            let all = format!("{base}/{}", info.plural);
            assert_eq!(found(&all), Some((kind, String::new(), String::new(), None)));
            let (namespace, one) = if kind.is_namespaced() {
                assert_eq!(found(&format!("{all}/x")), None, "{kind}");
                ("team-a", format!("{base}/namespaces/team-a/{}/x", info.plural))
            } else {
                ("", format!("{all}/x"))
            };
            assert_eq!(found(&one), Some((kind, namespace.into(), "x".into(), None)));
            let status = found(&format!("{one}/status"));
            assert_eq!(status.is_some(), info.has_status, "{kind}");
        }
    }

    #[test]
    fn parts_belong_to_their_kinds() {
        let base = "/apis/devpocket.dev/v1alpha1";
        let plan = format!("{base}/namespaces/a/environments/web/plan");
        assert_eq!(found(&plan).unwrap().3, Some(Part::Plan));
        assert_eq!(found(&format!("{base}/operations/x/resolve")).unwrap().3, Some(Part::Resolve));
        assert_eq!(found(&format!("{base}/machines/x/plan")), None);
        assert_eq!(found("/api/v1/namespaces/a/environments"), None);
    }

    #[test]
    fn what_leads_nowhere_is_nothing() {
        for path in [
            "/api/v2",
            "/apis/apps",
            "/apis/apps/v1",
            "/api/v1/pods",
            "/apis/devpocket.dev/v1",
            "/api/v1/namespaces/a%2Fb",
            "/api/v1/namespaces/%ff",
            "/api/v1/namespaces/%4",
            "/api/v1/namespaces/a/secrets/b/c/d",
        ] {
            assert_eq!(parse(path), None, "{path}");
        }
        assert_eq!(found("/api/v1/namespaces/a%2Db").unwrap().2, "a-b");
        assert_eq!(parse("/api/v1"), Some(resources("", "v1")));
    }
}
