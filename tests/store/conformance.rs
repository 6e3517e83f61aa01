//! The suite over every implementation: each case is a test of its own on each of them.

use crate::cases::{decisions, fences, guards, lists, races, restarts, watches, writes};
use crate::worlds::{Cached, Memory, Postgres};

macro_rules! conformance {
    ($($module:ident: $($case:ident),+ $(,)?;)+) => {
        conformance!(@on memory, Memory::new(), $($module: $($case),+;)+);
        conformance!(@on postgres, Postgres::new(), $($module: $($case),+;)+);
        conformance!(@on cached, Cached::new(), $($module: $($case),+;)+);
        conformance!(@on cached_without_notify, Cached::deaf(), $($module: $($case),+;)+);

        /// Breaks without it: a case is written and not run.
        #[test]
        fn every_case_is_run() {
            let mut missing = Vec::new();
            $(
                let text = include_str!(concat!("cases/", stringify!($module), ".rs"));
                let run = [$(stringify!($case)),+];
                let written = text.lines().filter_map(|line| line.strip_prefix("pub async fn "));
                let names = written.filter_map(|line| line.split('(').next());
                missing.extend(names.filter(|name| !run.contains(name)));
            )+
            assert!(missing.is_empty(), "{missing:?} are not in the suite");
        }
    };
    (@on $name:ident, $world:expr, $($module:ident: $($case:ident),+;)+) => {
        mod $name {
            use super::*;
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    $module::$case(&mut $world.await).await;
                }
            )+)+
        }
    };
}

conformance! {
    writes: what_was_created_can_be_read, what_never_was_is_none, a_key_no_object_can_have_is_none,
        an_object_carries_the_revision_of_its_write, the_bytes_are_the_object,
        numbers_and_letters_come_back_as_they_went_in, the_same_name_twice_already_exists,
        the_same_uid_twice_already_exists, an_update_of_what_changed_since_conflicts,
        an_update_of_what_is_gone_is_not_found, an_update_of_what_was_made_anew_conflicts,
        a_delete_answers_the_last_state_at_its_own_revision,
        a_delete_of_what_changed_since_conflicts,
        a_finalizer_keeps_an_object_until_it_is_taken_off,
        a_write_that_changes_nothing_makes_no_revision,
        a_write_that_would_change_nothing_in_an_old_state_conflicts,
        a_refused_write_leaves_no_trace, what_cannot_be_stored_fails_alone,
        a_write_nobody_waits_for_happens_whole_or_not_at_all;
    lists: a_list_is_ordered_by_namespace_then_name,
        a_list_of_one_namespace_has_nothing_of_another, a_list_has_only_its_kind,
        an_empty_list_has_a_revision_to_watch_from, a_list_has_what_was_acknowledged_before_it,
        another_process_reads_what_was_acknowledged_before, a_long_list_is_whole,
        a_list_has_nothing_that_was_deleted;
    watches: a_watch_tells_what_happens, a_watch_from_the_past_tells_what_happened_since,
        a_watch_does_not_tell_what_was_at_its_start, a_watch_tells_of_its_kind_only,
        an_event_carries_the_state_before, a_deletion_has_its_own_revision,
        progress_follows_the_changes_of_other_kinds, progress_never_overtakes_a_change,
        a_watch_from_the_future_is_refused, a_watch_from_before_the_compaction_is_expired,
        a_watch_from_the_compaction_on_is_whole, compaction_forgets_no_object,
        a_slow_watcher_is_closed_or_loses_nothing, a_closed_watcher_resumes_where_it_was,
        all_watchers_are_told_the_same, a_long_history_is_told_whole,
        an_event_shows_the_object_as_of_its_revision;
    guards: a_full_count_refuses_with_its_own_words, a_count_is_of_its_namespace,
        a_count_is_of_those_with_all_its_labels, a_count_leaves_out_the_object_written,
        a_taken_name_is_refused, a_name_is_not_taken_by_its_owner, only_a_text_takes_a_name,
        what_must_exist_must_not_be_going_either, what_was_decided_on_must_be_unchanged,
        every_guard_must_hold;
    fences: the_holder_of_the_epoch_may_write, the_holder_of_an_older_epoch_may_not,
        without_a_lease_nobody_passes_its_fence, a_fence_is_looked_at_before_anything_else,
        of_two_candidates_one_takes_the_lease, no_fenced_write_lands_after_the_takeover;
    decisions: a_decision_is_kept_with_the_write_that_carries_it,
        a_refused_write_leaves_no_decision, a_write_that_changes_nothing_leaves_no_decision,
        a_decision_outlives_its_environment_and_the_process, another_process_reads_the_decisions,
        only_the_latest_decisions_are_kept, decisions_are_of_one_name;
    races: watchers_follow_concurrent_writers_exactly, list_then_watch_misses_nothing,
        of_fifty_for_the_last_slot_one_gets_it, of_twenty_for_one_name_one_gets_it,
        of_twenty_creates_of_one_key_one_happens, of_twenty_edits_of_one_state_one_happens,
        a_name_is_free_for_others_as_soon_as_it_is_gone;
    restarts: a_restart_keeps_every_acknowledged_write, revisions_go_on_after_a_restart,
        a_watch_goes_on_from_a_list_made_before_a_restart,
        what_was_read_before_a_restart_can_be_edited_after;
}
