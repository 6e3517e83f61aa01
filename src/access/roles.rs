//! What each role lets somebody do: one table, from which requests are decided and from which
//! `kubectl auth can-i --list` is answered.
//!
//! # What it says
//! - An admin may do everything.
//! - Everybody who is signed in reads what is nobody's: templates, tiers, the catalogue, discovery.
//! - In a namespace counts the role there. A viewer looks, an editor changes what is declared, an
//!   owner also approves, reads the values of secrets and says who belongs. Where somebody has no
//!   role the answer is [`Decision::Hidden`], whether or not the namespace exists.
//! - A list or watch over all namespaces is of those in which it would be allowed. Kubernetes
//!   forbids it to whoever may not see everything; here it is what `get env -A` and the phone show.
//! - Machines, operations, leases and the installation are the operators'. What a tenant has to
//!   know of a machine is in the environment's status.
//! - An API token never adds anything: its scope is taken off what its owner may do.
//!
//! # Verbs of our own
//! `approve` (consent to what costs money or data) and `reveal` (see the values of secrets). Whoever
//! may get a secret without revealing it sees the names of its values.

use devpocket_specs::kind::GROUP;

use super::{Attributes, Role, Scope, User};

/// Verbs on resources. A subresource is written behind a slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub groups: &'static [&'static str],
    pub resources: &'static [&'static str],
    pub verbs: &'static [&'static str],
}

const CORE: &[&str] = &[""];
const OURS: &[&str] = &[GROUP];
const LOOK: &[&str] = &["get", "list", "watch"];
const CHANGE: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];

const fn rule(
    groups: &'static [&'static str],
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
) -> Rule {
    Rule { groups, resources, verbs }
}

/// What everybody reads who is signed in, wherever they belong.
static SHARED: [Rule; 4] = [
    rule(OURS, &["templates", "tiers"], LOOK),
    rule(OURS, &["templates/status", "tiers/status"], &["get"]),
    rule(OURS, &["teams"], &["list", "create"]),
    rule(
        &["authorization.k8s.io", "authentication.k8s.io"],
        &["selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"],
        &["create"],
    ),
];

static VIEWER: [Rule; 6] = [
    rule(OURS, &["environments"], LOOK),
    rule(OURS, &["environments/status", "environments/decisions", "environments/log"], &["get"]),
    // A plan is only looked at, also one of what is merely thought of.
    rule(OURS, &["environments/plan"], &["get", "create"]),
    rule(&["", "events.k8s.io"], &["events"], LOOK),
    // Without their values.
    rule(CORE, &["secrets", "namespaces"], LOOK),
    rule(OURS, &["teams", "members"], &["get", "list"]),
];

static EDITOR: [Rule; 4] = [
    rule(OURS, &["environments"], CHANGE),
    // A session on the machine: whoever has a shell there may change everything on it.
    rule(OURS, &["environments/exec"], &["create"]),
    rule(OURS, &["environments/undelete"], &["create"]),
    rule(CORE, &["secrets"], CHANGE),
];

static OWNER: [Rule; 6] = [
    rule(OURS, &["environments/approval"], &["approve"]),
    // Approvals are in there.
    rule(OURS, &["environments/status"], &["update", "patch"]),
    rule(CORE, &["secrets"], &["reveal"]),
    rule(OURS, &["members", "teams"], &["create", "update", "delete"]),
    rule(OURS, &["invitations"], &["get", "list", "create", "update", "delete"]),
    rule(OURS, &["audit"], &["get", "list"]),
];

/// Whether everybody who is signed in may do it.
pub(super) fn is_shared(attributes: &Attributes) -> bool {
    SHARED.iter().any(|rule| rule.covers(attributes))
}

/// What a role adds to the ones before it.
pub(super) fn added(role: Role) -> &'static [Rule] {
    match role {
        Role::Viewer => &VIEWER,
        Role::Editor => &EDITOR,
        Role::Owner => &OWNER,
    }
}

/// Every rule of a role.
pub(super) fn rules_of(role: Role) -> impl Iterator<Item = &'static Rule> {
    Role::ALL.into_iter().filter(move |lower| *lower <= role).flat_map(added)
}

impl Rule {
    pub(super) fn covers(&self, attributes: &Attributes) -> bool {
        let is_resource = |known: &&str| match known.split_once('/') {
            None => attributes.subresource.is_empty() && **known == attributes.resource,
            Some((resource, part)) => {
                resource == attributes.resource && part == attributes.subresource
            }
        };
        self.groups.contains(&attributes.group.as_str())
            && self.verbs.contains(&attributes.verb.as_str())
            && self.resources.iter().any(is_resource)
    }
}

/// Why the scope of the token keeps its owner from this, if it does.
pub(super) fn narrowed(scope: &Scope, attributes: &Attributes) -> Option<String> {
    let verb = scoped_verb(attributes);
    if !scope.verbs.is_empty() && !scope.verbs.iter().any(|known| known == verb) {
        return Some(format!("the token is for {} only", scope.verbs.join(", ")));
    }
    if !scope.kinds.is_empty() && !scope.kinds.contains(&attributes.resource) {
        return Some(format!("the token is for {} only", scope.kinds.join(", ")));
    }
    None
}

/// The verb a scope has to hold. A plan is asked for with POST and changes nothing, so a token that
/// may look may plan; deleting many is deleting.
fn scoped_verb(attributes: &Attributes) -> &str {
    match attributes.verb.as_str() {
        "create" if attributes.subresource == "plan" => "get",
        "deletecollection" => "delete",
        verb => verb,
    }
}

pub(super) fn scope_reaches(user: &User, namespace: &str) -> bool {
    let only = user.scope.as_deref().and_then(|scope| scope.namespace.as_deref());
    only.is_none_or(|only| only == namespace)
}

/// What somebody may do in a namespace, as rules with the scope taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    pub groups: Vec<String>,
    pub resources: Vec<String>,
    pub verbs: Vec<String>,
}

/// The rules that hold for a user in a namespace, and everywhere.
pub fn rules(user: &User, namespace: &str) -> Vec<Allowed> {
    let scope = user.scope.as_deref();
    if user.is_admin() {
        let or_all = |list: Option<&Vec<String>>| match list {
            Some(list) if !list.is_empty() => list.clone(),
            _ => vec!["*".to_owned()],
        };
        return if scope_reaches(user, namespace) {
            let verbs = or_all(scope.map(|scope| &scope.verbs));
            let resources = or_all(scope.map(|scope| &scope.kinds));
            vec![Allowed { groups: vec!["*".into()], resources, verbs }]
        } else {
            SHARED.iter().filter_map(|rule| within_scope(rule, scope)).collect()
        };
    }
    let role = user.role_in(namespace).filter(|_| scope_reaches(user, namespace));
    let own = role.into_iter().flat_map(rules_of);
    SHARED.iter().chain(own).filter_map(|rule| within_scope(rule, scope)).collect()
}

/// What is left of a rule; nothing if its verbs or resources are all outside the scope.
fn within_scope(rule: &Rule, scope: Option<&Scope>) -> Option<Allowed> {
    let asked = |resource: &str, verb: &str| {
        let (resource, part) = resource.split_once('/').unwrap_or((resource, ""));
        Attributes {
            verb: verb.to_owned(),
            resource: resource.to_owned(),
            subresource: part.to_owned(),
            ..Attributes::default()
        }
    };
    let fits = |resource: &str, verb: &str| {
        scope.is_none_or(|scope| narrowed(scope, &asked(resource, verb)).is_none())
    };
    let resources: Vec<&str> = rule.resources.to_vec();
    let verbs: Vec<String> = rule
        .verbs
        .iter()
        .filter(|verb| resources.iter().any(|resource| fits(resource, verb)))
        .map(|verb| (*verb).to_owned())
        .collect();
    let resources: Vec<String> = resources
        .into_iter()
        .filter(|resource| rule.verbs.iter().any(|verb| fits(resource, verb)))
        .map(str::to_owned)
        .collect();
    let groups = rule.groups.iter().map(|group| (*group).to_owned()).collect();
    (!verbs.is_empty() && !resources.is_empty()).then_some(Allowed { groups, resources, verbs })
}
