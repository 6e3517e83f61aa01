//! The [`Authorizer`] of the product: decides by role, from the table of [`super::roles`].

use std::collections::BTreeSet;

use devpocket_specs::kind::Kind;

use super::roles::{added, is_shared, narrowed, rules_of, scope_reaches};
use super::{Attributes, Authorizer, Decision, Role, Scope, User};

/// Decides from the roles a user has, and from the scope of the token.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByRole;

impl Authorizer for ByRole {
    fn authorize(&self, user: &User, attributes: &Attributes) -> Decision {
        if attributes.resource.is_empty() {
            return path(user, attributes);
        }
        if let Some(why) = user.scope.as_deref().and_then(|scope| narrowed(scope, attributes)) {
            return Decision::Deny(why);
        }
        if is_shared(attributes) && attributes.namespace.is_empty() {
            // A team is a namespace: nobody makes one whose address may be anybody's.
            if attributes.resource == "teams" && attributes.verb == "create" && !user.verified {
                return Decision::Deny(UNVERIFIED.to_owned());
            }
            return Decision::Allow;
        }
        match place(attributes) {
            Place::Namespace(namespace) => in_namespace(user, attributes, namespace),
            Place::All => everywhere(user, attributes),
            Place::Cluster => cluster(user, attributes),
        }
    }
}

/// What somebody is told who may look only until their address is known to be theirs.
pub const UNVERIFIED: &str = "Please verify your email address";

/// Where what a request is about lives.
enum Place<'a> {
    Namespace(&'a str),
    /// In every namespace.
    All,
    /// In none.
    Cluster,
}

fn place(attributes: &Attributes) -> Place<'_> {
    const NAMESPACES: &str = "namespaces";
    let is_namespace = attributes.resource == NAMESPACES && attributes.group.is_empty();
    let is_cluster = Kind::all().map(Kind::info).any(|info| {
        info.plural == attributes.resource
            && info.group == attributes.group
            && !info.kind.is_namespaced()
    });
    match (attributes.namespace.as_str(), attributes.name.as_str()) {
        // A namespace is itself what one belongs to.
        (_, name) if is_namespace && !name.is_empty() => Place::Namespace(name),
        (_, _) if is_namespace => Place::All,
        (_, _) if is_cluster => Place::Cluster,
        ("", _) => Place::All,
        (namespace, _) => Place::Namespace(namespace),
    }
}

fn in_namespace(user: &User, attributes: &Attributes, namespace: &str) -> Decision {
    if !scope_reaches(user, namespace) {
        return Decision::Hidden(namespace.to_owned());
    }
    if user.is_admin() {
        return Decision::Allow;
    }
    let Some(role) = user.role_in(namespace) else {
        return Decision::Hidden(namespace.to_owned());
    };
    if rules_of(role).any(|rule| rule.covers(attributes)) {
        let looks = rules_of(Role::Viewer).any(|rule| rule.covers(attributes));
        return match user.verified || looks {
            true => Decision::Allow,
            false => Decision::Deny(UNVERIFIED.to_owned()),
        };
    }
    let needed =
        Role::ALL.into_iter().find(|higher| added(*higher).iter().any(|r| r.covers(attributes)));
    Decision::Deny(match needed {
        Some(needed) => format!("that takes the role {needed} in {namespace}, yours is {role}"),
        None => "that is for the installation's admins".to_owned(),
    })
}

/// All namespaces at once: those of the user's in which it is allowed.
fn everywhere(user: &User, attributes: &Attributes) -> Decision {
    let only = user.scope.as_deref().and_then(|scope| scope.namespace.clone());
    if user.is_admin() {
        return only.map_or(Decision::Allow, |only| Decision::Within(BTreeSet::from([only])));
    }
    if !matches!(attributes.verb.as_str(), "list" | "watch" | "reveal") {
        return Decision::Deny("name the namespace it is to be done in".to_owned());
    }
    let mine = user.roles.iter().filter(|(namespace, role)| {
        scope_reaches(user, namespace) && rules_of(**role).any(|rule| rule.covers(attributes))
    });
    let mine: BTreeSet<String> = mine.map(|(namespace, _)| namespace.clone()).collect();
    if mine.is_empty() && attributes.verb != "reveal" {
        return Decision::Deny(format!(
            "{:?} belongs to no namespace in which it may be",
            user.name
        ));
    }
    Decision::Within(mine)
}

fn cluster(user: &User, attributes: &Attributes) -> Decision {
    // A namespace in the request does not move what is in none.
    if is_shared(attributes) {
        return Decision::Allow;
    }
    if let Some(only) = user.scope.as_deref().and_then(|scope| scope.namespace.as_deref()) {
        return Decision::Deny(format!("the token is for the namespace {only} only"));
    }
    if user.is_admin() {
        return Decision::Allow;
    }
    Decision::Deny(format!("{} are for the installation's admins", attributes.resource))
}

/// What is not a resource: discovery and the catalogue for everybody, the rest for admins.
fn path(user: &User, attributes: &Attributes) -> Decision {
    const OPEN: [&str; 4] = ["/version", "/api", "/apis", "/openapi"];
    let path = attributes.path.trim_end_matches('/');
    let open = path.is_empty()
        || OPEN.into_iter().any(|root| {
            path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
    let unnarrowed = user.scope.as_deref().is_none_or(|scope| *scope == Scope::default());
    if (open && attributes.verb == "get") || (user.is_admin() && unnarrowed) {
        return Decision::Allow;
    }
    Decision::Deny("that is for the installation's admins".to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::super::rules;
    use super::*;
    use devpocket_specs::kind::GROUP;

    fn member(role: Role) -> User {
        let roles = BTreeMap::from([("mine".to_owned(), role)]);
        User { roles: Arc::new(roles), ..User::configured("ann", &[]) }
    }

    fn narrowed_to(user: User, scope: Scope) -> User {
        User { scope: Some(Arc::new(scope)), ..user }
    }

    fn asked(verb: &str, resource: &str, namespace: &str) -> Attributes {
        let core = matches!(resource, "secrets" | "events" | "namespaces");
        let group = if core { "" } else { GROUP };
        Attributes { group: group.into(), ..Attributes::within(verb, resource, namespace) }
    }

    fn may(user: &User, verb: &str, resource: &str, namespace: &str) -> bool {
        ByRole.authorize(user, &asked(verb, resource, namespace)).is_allowed()
    }

    #[test]
    fn a_foreign_namespace_is_not_there() {
        let owner = member(Role::Owner);
        for verb in ["get", "list", "create", "delete", "approve", "made-up"] {
            let decision = ByRole.authorize(&owner, &asked(verb, "environments", "theirs"));
            assert_eq!(decision, Decision::Hidden("theirs".into()), "{verb}");
        }
        let itself = Attributes { name: "theirs".into(), ..asked("get", "namespaces", "") };
        assert_eq!(ByRole.authorize(&owner, &itself), Decision::Hidden("theirs".into()));
    }

    #[test]
    fn a_scope_takes_away_and_never_gives() {
        let looks = Scope { verbs: vec!["get".into(), "list".into()], ..Scope::default() };
        for user in [member(Role::Owner), User::admin("root")] {
            let token = narrowed_to(user, looks.clone());
            assert!(may(&token, "get", "environments", "mine"));
            assert!(!may(&token, "delete", "environments", "mine"));
            assert!(!may(&token, "approve", "environments", "mine"));
            assert!(!may(&token, "reveal", "secrets", "mine"), "looking is not revealing");
            let plan = Attributes {
                subresource: "plan".into(),
                ..asked("create", "environments", "mine")
            };
            assert!(ByRole.authorize(&token, &plan).is_allowed(), "a plan changes nothing");
        }
        let wide = Scope { verbs: vec!["delete".into()], ..Scope::default() };
        let token = narrowed_to(member(Role::Viewer), wide);
        assert!(!may(&token, "delete", "environments", "mine"), "the role still counts");
        let kinds = Scope { kinds: vec!["environments".into()], ..Scope::default() };
        let token = narrowed_to(member(Role::Owner), kinds);
        assert!(may(&token, "delete", "environments", "mine"));
        assert!(!may(&token, "get", "secrets", "mine"));
        let place = Scope { namespace: Some("theirs".into()), ..Scope::default() };
        let token = narrowed_to(member(Role::Owner), place.clone());
        assert!(!may(&token, "get", "environments", "mine"));
        assert!(!may(&token, "get", "environments", "theirs"));
        let token = narrowed_to(User::admin("root"), place);
        assert!(may(&token, "get", "environments", "theirs"));
        assert!(!may(&token, "get", "environments", "mine"));
        assert!(!may(&token, "list", "machines", ""), "machines are in no namespace");
        assert!(may(&token, "list", "templates", ""));
        let all = ByRole.authorize(&token, &asked("list", "environments", ""));
        assert_eq!(all, Decision::Within(BTreeSet::from(["theirs".into()])));
    }

    #[test]
    fn who_did_not_verify_an_address_looks_and_changes_nothing() {
        let user = User { verified: false, ..member(Role::Owner) };
        assert!(may(&user, "get", "environments", "mine"));
        for verb in ["create", "patch", "delete"] {
            let decision = ByRole.authorize(&user, &asked(verb, "environments", "mine"));
            assert_eq!(decision, Decision::Deny(UNVERIFIED.into()), "{verb}");
        }
        let team = ByRole.authorize(&user, &asked("create", "teams", ""));
        assert_eq!(team, Decision::Deny(UNVERIFIED.into()));
        assert!(may(&member(Role::Viewer), "create", "teams", ""));
    }

    #[test]
    fn a_wildcard_is_for_admins() {
        assert!(may(&User::admin("root"), "*", "*", "mine"));
        assert!(!may(&member(Role::Owner), "*", "environments", "mine"));
        assert!(!may(&member(Role::Owner), "get", "*", "mine"));
    }

    #[test]
    fn what_is_listed_as_allowed_is_allowed() {
        let looks = Scope { verbs: vec!["get".into()], kinds: vec![], namespace: None };
        for user in [
            member(Role::Viewer),
            member(Role::Editor),
            member(Role::Owner),
            narrowed_to(member(Role::Owner), looks),
        ] {
            for allowed in rules(&user, "mine") {
                for (resource, verb) in
                    allowed.resources.iter().flat_map(|r| allowed.verbs.iter().map(move |v| (r, v)))
                {
                    let (plural, part) = resource.split_once('/').unwrap_or((resource, ""));
                    let group = allowed.groups[0].clone();
                    let shared = ["templates", "tiers"].contains(&plural);
                    let review = group.ends_with(".k8s.io") && plural != "events";
                    let namespace = if shared || review { "" } else { "mine" };
                    // A namespace is named by its own name, not by one it lies in.
                    let (namespace, name) = match plural {
                        "namespaces" => ("", namespace),
                        _ => (namespace, ""),
                    };
                    let asked = Attributes {
                        group,
                        name: name.into(),
                        subresource: part.into(),
                        ..Attributes::within(verb, plural, namespace)
                    };
                    let decision = ByRole.authorize(&user, &asked);
                    let teams = plural == "teams";
                    assert!(decision.is_allowed() || teams, "{verb} {resource}: {decision:?}");
                }
            }
        }
        let foreign = rules(&member(Role::Owner), "theirs");
        assert_eq!(foreign, rules(&member(Role::Owner), "missing"));
    }

    #[test]
    fn discovery_is_for_everybody_and_metrics_are_not() {
        let on = |path: &str| Attributes {
            verb: "get".into(),
            path: path.into(),
            ..Attributes::default()
        };
        let viewer = member(Role::Viewer);
        for path in
            ["", "/version", "/apis", "/apis/devpocket.dev/v1alpha1/catalogue", "/openapi/v3"]
        {
            assert!(ByRole.authorize(&viewer, &on(path)).is_allowed(), "{path}");
        }
        for path in ["/metrics", "/apiserver", "/versions"] {
            assert!(!ByRole.authorize(&viewer, &on(path)).is_allowed(), "{path}");
            assert!(ByRole.authorize(&User::admin("root"), &on(path)).is_allowed(), "{path}");
        }
    }
}
