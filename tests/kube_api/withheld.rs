//! What a role sees of a secret, and what it may not say in advance.

use reqwest::Method;
use serde_json::{Value, json};

use super::roles::{EDITOR, OWNER, VIEWER, body, collection, world};
use super::world::{ADMIN_TOKEN, answer};

#[tokio::test]
async fn the_values_of_secrets_are_for_owners() {
    let world = world().await;
    let one = format!("{}/db", collection("secrets", "mine"));
    let all = collection("secrets", "mine");
    let everywhere = "/kube/api/v1/secrets".to_owned();
    let watch = format!("{all}?watch=true&timeoutSeconds=1");
    let forms = [
        "application/json",
        "application/json;as=Table;g=meta.k8s.io;v=v1",
        "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
    ];
    for (token, sees) in [(VIEWER, false), (EDITOR, false), (OWNER, true), (ADMIN_TOKEN, true)] {
        for path in [&one, &all, &everywhere, &watch] {
            for form in forms {
                let object = format!(
                    "{path}{}includeObject=Object",
                    if path.contains('?') { '&' } else { '?' }
                );
                let request = world.request(Method::GET, &object).bearer_auth(token);
                let text = answer(request.header("accept", form)).await.body.to_string();
                let seen = text.contains("aHVudGVyMi1wbGFudGVk");
                // Metadata has no values, whoever asks.
                let expected = sees && !form.contains("Partial");
                assert_eq!(seen, expected, "{token} {path} {form}: {text}");
                assert!(!text.contains("hunter2-planted"), "{token} {path} {form}");
            }
        }
    }
    // An editor sets what they cannot see, also by writing back what they read.
    let merge = json!({"stringData": {"other": "new-planted"}}).to_string();
    let request = world.request(Method::PATCH, &one).bearer_auth(EDITOR);
    let set =
        answer(request.header("content-type", "application/merge-patch+json").body(merge)).await;
    assert_eq!(set.code, 200, "{set:?}");
    assert!(!set.body.to_string().contains("bmV3LXBsYW50ZWQ="), "{set:?}");
    let back = answer(world.request(Method::PUT, &one).bearer_auth(EDITOR).json(&set.body)).await;
    assert_eq!(back.code, 200, "{back:?}");
    let copy = json!([{"op": "copy", "from": "/data/pw", "path": "/metadata/annotations"}]);
    let request = world.request(Method::PATCH, &one).bearer_auth(EDITOR).body(copy.to_string());
    let copied = answer(request.header("content-type", "application/json-patch+json")).await;
    assert!(!copied.body.to_string().contains("aHVudGVyMi1wbGFudGVk"), "{copied:?}");
    let data = world.get(&one).await.body["data"].clone();
    assert_eq!(data, json!({"pw": "aHVudGVyMi1wbGFudGVk", "other": "bmV3LXBsYW50ZWQ="}));
}

#[tokio::test]
async fn an_editor_consents_to_nothing_in_advance_either() {
    let world = world().await;
    let path = collection("environments", "mine");
    let most = json!({"cents": 1000, "currency": "EUR"});
    let auto = json!({"spec": {"autoApprove": {"classes": ["money"], "maxMonthlyIncrease": most}}});
    let patch = async |token: &str, patch: &Value| {
        let request = world.request(Method::PATCH, &format!("{path}/web")).bearer_auth(token);
        let request = request.header("content-type", "application/merge-patch+json");
        answer(request.body(patch.to_string())).await
    };
    let refused = patch(EDITOR, &auto).await;
    assert_eq!((refused.code, refused.reason()), (403, "Forbidden"), "{refused:?}");
    assert_eq!(refused.fields(), ["spec.autoApprove"]);
    let mut new = body("environments", "new");
    new["spec"]["autoApprove"] = auto["spec"]["autoApprove"].clone();
    let made = answer(world.request(Method::POST, &path).bearer_auth(EDITOR).json(&new)).await;
    assert_eq!(made.code, 403, "{made:?}");
    let approvals = json!({"status": {"approvals": [{
        "fingerprints": ["x"], "by": "editor",
        "at": "2026-11-25T12:00:00Z", "expires": "2027-11-25T12:00:00Z",
    }]}});
    let status = format!("{path}/web/status");
    let request = world.request(Method::PATCH, &status).bearer_auth(EDITOR);
    let request = request.header("content-type", "application/merge-patch+json");
    assert_eq!(answer(request.body(approvals.to_string())).await.code, 403);
    assert_eq!(patch(OWNER, &auto).await.code, 200);
    assert_eq!(
        patch(EDITOR, &json!({"spec": {"autoApprove": null}})).await.code,
        200,
        "less is free"
    );
}
