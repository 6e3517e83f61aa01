//! The numbers of the fields, as Kubernetes' `generated.proto` files give them.

/// How a field is written.
pub(super) enum Shape {
    Text,
    Texts,
    Number,
    Flag,
    /// Seconds and nanoseconds.
    Time,
    /// JSON in a message of its own.
    Json,
    Message(&'static [Field]),
    Messages(&'static [Field]),
    TextMap,
    /// Shown in base64.
    BytesMap,
}

pub(super) struct Field {
    pub number: u64,
    pub name: &'static str,
    pub shape: Shape,
}

const fn f(number: u64, name: &'static str, shape: Shape) -> Field {
    Field { number, name, shape }
}

use Shape::{BytesMap, Flag, Json, Message, Messages, Number, Text, TextMap, Texts, Time};

/// The table of a kind; none for one that is not read.
pub(super) fn of(api_version: &str, kind: &str) -> Option<&'static [Field]> {
    Some(match (api_version, kind) {
        ("v1", "Namespace") => &NAMESPACE,
        ("v1", "Secret") => &SECRET,
        ("v1", "Event") => &EVENT,
        ("events.k8s.io/v1", "Event") => &NEW_EVENT,
        ("coordination.k8s.io/v1", "Lease") => &LEASE,
        ("authorization.k8s.io/v1", "SelfSubjectAccessReview") => &ACCESS_REVIEW,
        ("authorization.k8s.io/v1", "SelfSubjectRulesReview") => &RULES_REVIEW,
        ("authentication.k8s.io/v1", "SelfSubjectReview") => &SUBJECT_REVIEW,
        ("v1" | "meta.k8s.io/v1", "DeleteOptions") => &DELETE_OPTIONS,
        _ => return None,
    })
}

static METADATA: [Field; 15] = [
    f(1, "name", Text),
    f(2, "generateName", Text),
    f(3, "namespace", Text),
    f(5, "uid", Text),
    f(6, "resourceVersion", Text),
    f(7, "generation", Number),
    f(8, "creationTimestamp", Time),
    f(9, "deletionTimestamp", Time),
    f(10, "deletionGracePeriodSeconds", Number),
    f(11, "labels", TextMap),
    f(12, "annotations", TextMap),
    f(13, "ownerReferences", Messages(&OWNER)),
    f(14, "finalizers", Texts),
    f(17, "managedFields", Messages(&MANAGED)),
    f(4, "selfLink", Text),
];
static OWNER: [Field; 6] = [
    f(1, "kind", Text),
    f(3, "name", Text),
    f(4, "uid", Text),
    f(5, "apiVersion", Text),
    f(6, "controller", Flag),
    f(7, "blockOwnerDeletion", Flag),
];
static MANAGED: [Field; 7] = [
    f(1, "manager", Text),
    f(2, "operation", Text),
    f(3, "apiVersion", Text),
    f(4, "time", Time),
    f(6, "fieldsType", Text),
    f(7, "fieldsV1", Json),
    f(8, "subresource", Text),
];

static NAMESPACE: [Field; 3] = [
    f(1, "metadata", Message(&METADATA)),
    f(2, "spec", Message(&[f(1, "finalizers", Texts)])),
    f(3, "status", Message(&[f(1, "phase", Text)])),
];
static SECRET: [Field; 5] = [
    f(1, "metadata", Message(&METADATA)),
    f(2, "data", BytesMap),
    f(3, "type", Text),
    f(4, "stringData", TextMap),
    f(5, "immutable", Flag),
];
static LEASE: [Field; 2] =
    [f(1, "metadata", Message(&METADATA)), f(2, "spec", Message(&LEASE_SPEC))];
static LEASE_SPEC: [Field; 5] = [
    f(1, "holderIdentity", Text),
    f(2, "leaseDurationSeconds", Number),
    f(3, "acquireTime", Time),
    f(4, "renewTime", Time),
    f(5, "leaseTransitions", Number),
];

static REFERENCE: [Field; 7] = [
    f(1, "kind", Text),
    f(2, "namespace", Text),
    f(3, "name", Text),
    f(4, "uid", Text),
    f(5, "apiVersion", Text),
    f(6, "resourceVersion", Text),
    f(7, "fieldPath", Text),
];
static SOURCE: [Field; 2] = [f(1, "component", Text), f(2, "host", Text)];
static SERIES: [Field; 2] = [f(1, "count", Number), f(2, "lastObservedTime", Time)];
static EVENT: [Field; 15] = [
    f(1, "metadata", Message(&METADATA)),
    f(2, "involvedObject", Message(&REFERENCE)),
    f(3, "reason", Text),
    f(4, "message", Text),
    f(5, "source", Message(&SOURCE)),
    f(6, "firstTimestamp", Time),
    f(7, "lastTimestamp", Time),
    f(8, "count", Number),
    f(9, "type", Text),
    f(10, "eventTime", Time),
    f(11, "series", Message(&SERIES)),
    f(12, "action", Text),
    f(13, "related", Message(&REFERENCE)),
    f(14, "reportingComponent", Text),
    f(15, "reportingInstance", Text),
];
static NEW_EVENT: [Field; 15] = [
    f(1, "metadata", Message(&METADATA)),
    f(2, "eventTime", Time),
    f(3, "series", Message(&SERIES)),
    f(4, "reportingController", Text),
    f(5, "reportingInstance", Text),
    f(6, "action", Text),
    f(7, "reason", Text),
    f(8, "regarding", Message(&REFERENCE)),
    f(9, "related", Message(&REFERENCE)),
    f(10, "note", Text),
    f(11, "type", Text),
    f(12, "deprecatedSource", Message(&SOURCE)),
    f(13, "deprecatedFirstTimestamp", Time),
    f(14, "deprecatedLastTimestamp", Time),
    f(15, "deprecatedCount", Number),
];

static ACCESS_REVIEW: [Field; 2] = [
    f(1, "metadata", Message(&METADATA)),
    f(
        2,
        "spec",
        Message(&[
            f(1, "resourceAttributes", Message(&RESOURCE)),
            f(2, "nonResourceAttributes", Message(&[f(1, "path", Text), f(2, "verb", Text)])),
        ]),
    ),
];
static RESOURCE: [Field; 7] = [
    f(1, "namespace", Text),
    f(2, "verb", Text),
    f(3, "group", Text),
    f(4, "version", Text),
    f(5, "resource", Text),
    f(6, "subresource", Text),
    f(7, "name", Text),
];
static RULES_REVIEW: [Field; 2] =
    [f(1, "metadata", Message(&METADATA)), f(2, "spec", Message(&[f(1, "namespace", Text)]))];
static SUBJECT_REVIEW: [Field; 1] = [f(1, "metadata", Message(&METADATA))];

static DELETE_OPTIONS: [Field; 5] = [
    f(1, "gracePeriodSeconds", Number),
    f(2, "preconditions", Message(&[f(1, "uid", Text), f(2, "resourceVersion", Text)])),
    f(3, "orphanDependents", Flag),
    f(4, "propagationPolicy", Text),
    f(5, "dryRun", Texts),
];
