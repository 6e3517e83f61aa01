//! Proof that the suite is worth something: with one comparison in the reader of the log changed,
//! it turns red.

use devpocket::store::After;

use crate::cases::{races, watches};
use crate::worlds::{Cached, Postgres};

/// Whether a case fails, on a task of its own so that its panic is caught.
async fn fails(case: impl Future<Output = ()> + Send + 'static) -> bool {
    tokio::spawn(case).await.is_err_and(|error| error.is_panic())
}

/// Breaks without it: nothing today; but a suite that cannot fail protects nobody tomorrow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_from_the_cursor_instead_of_after_it_is_noticed() {
    assert!(
        fails(async {
            let mut world = Cached::mutated(After::Inclusive).await;
            races::watchers_follow_concurrent_writers_exactly(&mut world).await;
        })
        .await,
        "a change told twice went unnoticed"
    );
    assert!(
        fails(async {
            let mut world = Postgres::with(|options| options.after = After::Inclusive).await;
            watches::a_watch_does_not_tell_what_was_at_its_start(&mut world).await;
        })
        .await,
        "a watch that repeats its start went unnoticed"
    );
}

/// The same for a comparison that skips.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_past_the_cursor_is_noticed() {
    let case = async {
        let mut world = Postgres::with(|options| options.after = After::Skipping).await;
        watches::a_watch_from_the_compaction_on_is_whole(&mut world).await;
    };
    assert!(fails(case).await, "a lost change went unnoticed");
}

/// And the other way round: with the right comparison the same cases pass in the same set-up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_right_comparison_passes_the_same_cases() {
    let mut world = Cached::mutated(After::Exclusive).await;
    races::watchers_follow_concurrent_writers_exactly(&mut world).await;
    let mut world = Postgres::with(|options| options.after = After::Exclusive).await;
    watches::a_watch_from_the_compaction_on_is_whole(&mut world).await;
    watches::a_watch_does_not_tell_what_was_at_its_start(&mut Postgres::new().await).await;
}
