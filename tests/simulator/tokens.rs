use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

#[tokio::test]
async fn the_password_grant_issues_tokens_with_the_claims_clients_read() {
    let world = World::start().await;
    let (status, reply) = world.grant(&password_grant()).await;
    assert_eq!((status, &reply["expires_in"]), (200, &json!(300)));
    let claims = reply["access_token"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!(claims["tenantId"], "INT");
    assert_eq!(claims["customerId"], "90000001");
    assert_eq!(claims["preferred_username"], API_USER);
    assert!(claims["sub"].is_string());
}

#[tokio::test]
async fn clients_may_sign_in_with_basic_and_refresh() {
    let world = World::start().await;
    let form = [("grant_type", "password"), ("username", API_USER), ("password", API_PASSWORD)];
    let request = world.http.post(world.simulator.auth_url());
    let response =
        request.basic_auth(CLIENT_ID, Some(CLIENT_SECRET)).form(&form).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let reply: Value = response.json().await.unwrap();

    let refresh = |token: String| {
        let world = &world;
        async move {
            let form = [
                ("grant_type", "refresh_token"),
                ("client_id", CLIENT_ID),
                ("client_secret", CLIENT_SECRET),
                ("refresh_token", &token),
            ];
            world.grant(&form).await
        }
    };
    let token = reply["refresh_token"].as_str().unwrap().to_owned();
    world.clock.advance(SignedDuration::from_mins(20));
    assert_eq!(refresh(token.clone()).await.0, 200);
    let access = reply["access_token"].as_str().unwrap().to_owned();
    assert_eq!(refresh(access).await.0, 400, "an access token is no refresh token");
    world.clock.advance(SignedDuration::from_mins(20));
    let (status, refusal) = refresh(token).await;
    assert_eq!((status, &refusal["error"]), (400, &json!("invalid_grant")));
}

#[tokio::test]
async fn wrong_credentials_are_refused_as_keycloak_does() {
    let world = World::start().await;
    for (at, status, code) in [
        (4, 401, "invalid_grant"),
        (3, 401, "invalid_grant"),
        (2, 401, "unauthorized_client"),
        (1, 401, "unauthorized_client"),
        (0, 400, "unsupported_grant_type"),
    ] {
        let mut form = password_grant();
        form[at].1 = "wrong";
        let (got, reply) = world.grant(&form).await;
        assert_eq!((got, reply["error"].as_str()), (status, Some(code)), "{form:?}");
        assert!(reply["error_description"].is_string());
    }
}

#[tokio::test]
async fn a_token_is_needed_expires_and_can_be_revoked() {
    let mut world = World::start().await;
    let path = "/v1/compute/images";
    let bare = world.http.get(format!("{}{path}", world.simulator.api_url()));
    assert_eq!(bare.send().await.unwrap().status(), 401);
    let token = std::mem::replace(&mut world.token, "a.b.c".to_owned());
    assert_eq!(world.send("GET", path, None).await.0, 401);
    world.token = token;
    world.get(path).await;
    world.clock.advance(SignedDuration::from_secs(301));
    let (status, refusal) = world.send("POST", "/v1/compute/instances", Some(order("late"))).await;
    assert_eq!((status, &refusal["statusCode"]), (401, &json!(401)));
    world.sign_in().await;
    world.control.revoke_tokens().await.unwrap();
    assert_eq!(world.send("GET", path, None).await.0, 401);
    world.sign_in().await;
    world.get(path).await;
    assert_eq!(world.control.ledger().await.unwrap().entries, vec![]);
}
