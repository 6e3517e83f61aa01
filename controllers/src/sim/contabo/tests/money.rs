use super::*;

fn cancel(client: &mut Client, id: i64, date: Option<&str>) -> Reply {
    let body = CancelInstance { cancel_date: date.map(str::to_owned) };
    client.send(Request::CancelInstance { instance_id: id, body })
}

#[test]
fn the_same_order_twice_is_two_machines_and_two_charges() {
    let mut client = Client::new(Settings::default());
    let id = client.next_id();
    let call = Call::new(id, Request::CreateInstance(Box::new(order("twin"))));
    let first = client.contabo.step(&call, client.now);
    let second = client.contabo.step(&call, client.now);
    assert_eq!((first.status, second.status), (201, 201));
    assert_ne!(first.body, second.body);
    assert_eq!(client.contabo.ledger().total_cents, 1100);
    assert_eq!(client.contabo.ledger().purchases(), 2);
}

#[test]
fn prices_are_those_of_the_price_list() {
    let cents = |product: &str, region: &str, months: i64| {
        let (product, region) = (find_product(product).unwrap(), find_region(region).unwrap());
        term_cents(product, region, months, Extras::default())
    };
    assert_eq!(cents("V91", "EU", 1), 550);
    assert_eq!(cents("V91", "EU", 12), 440 * 12);
    assert_eq!(cents("V94", "EU", 6), 675 * 6);
    assert_eq!(cents("V97", "EU", 12), 1120 * 12);
    assert_eq!(cents("V92", "UK", 1), 550 + 105);
    assert_eq!(cents("V107", "JPN", 1), 4900 + 2750);
    assert_eq!(cents("V97", "SIN", 1), 1400 + 785);
    assert_eq!(cents("V16", "UK", 1), 13900 + 3200);
    assert_eq!(cents("V8", "EU", 12), 3900 * 12 * 85 / 100);
    let mut ids: Vec<&str> = PRODUCTS.iter().map(|product| product.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), PRODUCTS.len(), "an id stands for one product");
}

#[test]
fn contracts_renew_by_calendar_months_until_cancelled() {
    let mut client = Client::new(Settings::at_speed(1000.0));
    client.now = "2026-01-31T10:00:00Z".parse().unwrap();
    let Body::Created(view) = client.order("api").body else { panic!() };
    let id = view.instance_id;
    client.now = "2026-04-15T00:00:00Z".parse().unwrap();
    client.list();
    let renewals: Vec<String> =
        client.contabo.ledger().entries[1..].iter().map(|entry| entry.at.to_string()).collect();
    let expected = ["2026-02-28T10:00:00Z", "2026-03-31T10:00:00Z"];
    assert_eq!(renewals, expected, "counted from the order, not from the short February");

    let Body::Cancelled(cancelled) = cancel(&mut client, id, None).body else { panic!() };
    assert_eq!(cancelled.cancel_date, "2026-04-30".parse().unwrap());
    assert_eq!(client.get(id).status, "running", "a cancelled machine runs on");
    client.now = "2026-04-30T09:59:59Z".parse().unwrap();
    assert_eq!(client.get(id).cancel_date, Some(cancelled.cancel_date));
    client.now = "2026-04-30T10:00:00Z".parse().unwrap();
    assert_eq!(client.send(Request::GetInstance { instance_id: id }).status, 404);
    client.wait_days(400);
    client.list();
    assert_eq!(client.contabo.ledger().entries.len(), 3, "nothing is charged after the end");
}

#[test]
fn a_wanted_cancel_date_is_moved_to_the_end_of_a_term_and_paid_until_then() {
    let mut client = Client::new(Settings::at_speed(1000.0));
    let id = client.bought("api");
    let reply = cancel(&mut client, id, Some("2026-05-01T00:00:00Z"));
    let Body::Cancelled(view) = reply.body else { panic!("{reply:?}") };
    assert_eq!(view.cancel_date, "2026-05-10".parse().unwrap());
    client.wait_days(100);
    assert_eq!(client.send(Request::GetInstance { instance_id: id }).status, 404);
    assert_eq!(client.contabo.ledger().entries.len(), 2);
}

#[test]
fn cancelling_twice_answers_as_set() {
    for (answer, status) in [
        (RepeatedCancel::SameDate, 201),
        (RepeatedCancel::Unprocessable, 422),
        (RepeatedCancel::Conflict, 409),
    ] {
        let settings = Settings { repeated_cancel: answer, ..Settings::default() };
        let mut client = Client::new(settings);
        let id = client.bought("api");
        assert_eq!(cancel(&mut client, id, None).status, 201);
        assert_eq!(cancel(&mut client, id, Some("2027-01-01")).status, status);
        assert_eq!(client.get(id).cancel_date, Some("2026-04-10".parse().unwrap()), "one way");
    }
    let mut client = Client::new(Settings::default());
    let id = client.bought("api");
    assert_eq!(cancel(&mut client, id, Some("2026-01-01")).status, 400);
    assert_eq!(cancel(&mut client, id, Some("15-8-2021")).status, 400);
}

#[test]
fn a_refused_order_costs_nothing_and_says_why_in_the_right_shape() {
    let mut client = Client::new(Settings::default());
    let bare = CreateInstance { period: Some(1), ..CreateInstance::default() };
    let cases: Vec<(CreateInstance, u16, bool, &str)> = vec![
        (CreateInstance { period: None, ..bare.clone() }, 400, true, "period must be an integer"),
        (CreateInstance { period: Some(5), ..bare.clone() }, 400, true, "period must be one of"),
        (
            CreateInstance { image_id: Some("ubuntu".into()), ..bare.clone() },
            400,
            true,
            "imageId must be a UUID",
        ),
        (
            CreateInstance { product_id: Some(String::new()), ..bare.clone() },
            400,
            true,
            "productId must be longer than or equal to 1 characters",
        ),
        (CreateInstance { region: Some("MOON".into()), ..bare.clone() }, 400, true, "region must"),
        (
            CreateInstance { display_name: Some("x".repeat(256)), ..bare.clone() },
            400,
            true,
            "displayName must be shorter",
        ),
        (
            CreateInstance { product_id: Some("V1".into()), ..bare.clone() },
            400,
            false,
            "productId V1 is wrong",
        ),
        (
            CreateInstance {
                image_id: Some("00000000-0000-4000-8000-000000000000".into()),
                ..bare.clone()
            },
            400,
            false,
            "imageId",
        ),
        (CreateInstance { root_password: Some(5), ..bare.clone() }, 500, false, "Internal"),
    ];
    for (body, status, array, text) in cases {
        let reply = client.send(Request::CreateInstance(Box::new(body)));
        assert_eq!(reply.status, status, "{reply:?}");
        assert_eq!(reply.effect, Effect::Nothing);
        assert_eq!(matches!(reply.body, Body::Error(ErrorBody::Messages(_))), array, "{reply:?}");
        assert!(error_text(&reply).contains(text), "{reply:?}");
    }
    let call = Call::new("not-a-uuid", Request::CreateInstance(Box::new(bare.clone())));
    assert_eq!(client.contabo.step(&call, client.now).status, 400);
    assert_eq!(client.contabo.ledger().entries, vec![]);

    let reply = client.send(Request::CreateInstance(Box::new(bare)));
    let Body::Created(view) = reply.body else { panic!("{reply:?}") };
    assert_eq!(view.product_id, "V92", "a body with only a period buys the default machine");
}
