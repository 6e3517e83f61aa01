//! Lines of installations in the database: once, so many, so long, and read without a seam.

use std::time::Duration;

use devpocket::lines::{InstallLines, KEPT_BYTES, KEPT_DAYS};
use devpocket_controllers::clock::Clock as _;
use devpocket_controllers::install::{Journal, Line, Lines as _};
use jiff::SignedDuration;
use tokio::time::timeout;
use uuid::Uuid;

use super::install_logs::{next, print};
use super::world::{PATIENCE, World};

#[tokio::test]
async fn lines_are_kept_once_so_long_and_so_many() {
    let world = World::new().await;
    let uid = Uuid::from_u128(7);
    let lines = &world.lines;
    let before = Journal::default();
    let (after, new) = next(&before, &["one"], 0);
    let other = world.replica(Duration::ZERO).await;
    let (mine, theirs) = tokio::join!(
        lines.append(uid, &before, &after, new.clone()),
        other.lines.append(uid, &before, &after, new)
    );
    assert!(mine.unwrap() ^ theirs.unwrap(), "of two that took the same bytes one is told so");
    assert_eq!(lines.after(uid, 0).await.unwrap().len(), 1);
    assert_eq!(lines.journal(uid).await.unwrap(), after);

    let wide = "x".repeat(8_000);
    let many: Vec<&str> = (0..400).map(|_| wide.as_str()).collect();
    for _ in 0..3 {
        print(lines, uid, &many, 50).await;
    }
    let sql = "SELECT sum(octet_length(line))::bigint, min(number), max(number) FROM install_lines";
    let (kept, first, last): (i64, i64, i64) =
        sqlx::query_as(sql).fetch_one(&world.pool).await.unwrap();
    assert!(kept <= KEPT_BYTES && kept > KEPT_BYTES / 2, "{kept}");
    assert_eq!((first > 1, last), (true, 1_201), "the newest stay");

    let old = world.clock.now() + SignedDuration::from_hours(24 * (KEPT_DAYS + 1));
    world.sql("UPDATE install_lines SET at = now() WHERE number > 1190").await;
    world
        .sql("UPDATE install_lines SET at = now() - interval '31 days' WHERE number <= 1190")
        .await;
    lines.tidy(world.clock.now()).await.unwrap();
    let (left,): (i64,) =
        sqlx::query_as("SELECT count(*) FROM install_lines").fetch_one(&world.pool).await.unwrap();
    assert_eq!(left, 11);
    lines.tidy(old).await.unwrap();
    assert!(lines.after(uid, 0).await.unwrap().is_empty());
    print(lines, uid, &["next"], 60).await;
    assert_eq!(lines.after(uid, 0).await.unwrap()[0].number, 1_202, "numbers go on");
}

/// However many write and read, and whenever a reader drops off and comes back: each line once, in
/// order.
#[tokio::test]
async fn readers_that_come_and_go_miss_nothing_and_read_nothing_twice() {
    const LINES: i64 = 120;
    let world = World::new().await;
    let other = world.replica(Duration::ZERO).await;
    let uid = Uuid::from_u128(9);
    let write = async |lines: &InstallLines| {
        loop {
            let before = lines.journal(uid).await.unwrap();
            if before.last >= LINES {
                return;
            }
            let text = format!("line {}", before.last + 1);
            let (after, new) = next(&before, &[text.as_str()], 1);
            lines.append(uid, &before, &after, new).await.unwrap();
        }
    };
    let read = async |lines: &InstallLines, leaves_every: usize| {
        let mut seen: Vec<Line> = Vec::new();
        while seen.len() < usize::try_from(LINES).unwrap() {
            let after = seen.last().map_or(0, |line| line.number);
            let mut follower = lines.follow(uid, after);
            for _ in 0..leaves_every {
                let page = follower.page().await.unwrap();
                if page.is_empty() && seen.len() < usize::try_from(LINES).unwrap() {
                    follower.heard().await;
                }
                seen.extend(page);
            }
        }
        seen
    };
    let all = async {
        tokio::join!(
            write(&world.lines),
            write(&other.lines),
            read(&world.lines, 1),
            read(&other.lines, 3),
            read(&other.lines, 7),
        )
    };
    let ((), (), first, second, third) = timeout(PATIENCE, all).await.expect("a reader hangs");
    for seen in [&first, &second, &third] {
        let numbers: Vec<i64> = seen.iter().map(|line| line.number).collect();
        assert_eq!(numbers, (1..=LINES).collect::<Vec<_>>());
    }
    assert_eq!(first, second);
}
