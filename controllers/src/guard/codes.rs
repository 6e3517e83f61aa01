//! The stable codes of holds: kebab-case here and on the command line, CamelCase as the reason of
//! conditions and events.

/// A purchase would exceed the month's budget, or there is none.
pub const BUDGET: &str = "budget";
/// Too many purchases within the hour.
pub const PURCHASE_RATE: &str = "purchase-rate";
/// The namespace has as many machines as its tier allows.
pub const QUOTA: &str = "quota";
/// The namespace has no tier, so it may spend nothing.
pub const NO_TIER: &str = "no-tier";
/// The tier has other sizes only.
pub const SIZE_NOT_IN_TIER: &str = "size-not-in-tier";
/// The tier's purchases of this month are used up.
pub const PURCHASE_LIMIT: &str = "purchase-limit";
/// The tier's budget of this month does not reach.
pub const TIER_BUDGET: &str = "tier-budget";
/// It is not known whether Contabo sold a machine.
pub const PURCHASE_UNDECIDED: &str = "purchase-undecided";
/// Contabo refused the order: nothing was bought.
pub const PURCHASE_REFUSED: &str = "purchase-refused";
/// Too many releases, wipes and cancellations within the hour.
pub const DELETION_BUDGET: &str = "deletion-budget";
/// Too many calls for one machine within the hour.
pub const MUTATION_BUDGET: &str = "mutation-budget";
/// The last list of the account was partial or implausible.
pub const INVENTORY_UNTRUSTED: &str = "inventory-untrusted";
/// The account was not looked at (yet, or for too long).
pub const NOT_OBSERVED: &str = "not-observed";
/// Contabo does not answer.
pub const CONTABO_SILENT: &str = "contabo-silent";
/// Contabo does not accept the credentials.
pub const CONTABO_SIGN_IN: &str = "contabo-sign-in";
/// A person paused the environment or the installation.
pub const PAUSED: &str = "paused";
/// The account knows more than this database.
pub const DATABASE_BEHIND: &str = "database-behind";
/// The credentials belong to another account than the recorded one.
pub const ACCOUNT_MISMATCH: &str = "account-mismatch";
/// A step waits for a person's consent.
pub const APPROVAL: &str = "approval";
/// No price is known, and what has no price is not bought.
pub const UNPRICED: &str = "unpriced";
/// The size is in no catalogue.
pub const UNKNOWN_SIZE: &str = "unknown-size";
/// The region is in no catalogue.
pub const UNKNOWN_REGION: &str = "unknown-region";
/// The size is not sold any more, or not yet.
pub const SIZE_NOT_SOLD: &str = "size-not-sold";
/// The size is not sold for that contract term.
pub const UNKNOWN_TERM: &str = "unknown-term";
/// The image has no known name.
pub const UNKNOWN_IMAGE: &str = "unknown-image";
/// The template does not exist, or not in that version.
pub const UNKNOWN_TEMPLATE: &str = "unknown-template";
/// The user-data cannot be made.
pub const NOT_RENDERED: &str = "not-rendered";
/// A Secret that the environment names is not there, or lacks the key.
pub const SECRET_MISSING: &str = "secret-missing";
/// Two machines claim to belong to one environment.
pub const MACHINE_AMBIGUOUS: &str = "machine-ambiguous";
/// The machine to be taken back is not there any more.
pub const UNDELETE_EXPIRED: &str = "undelete-expired";
/// The machine to be taken back is not the one declared.
pub const UNDELETE_MISMATCH: &str = "undelete-mismatch";
/// It was started or stopped outside again and again.
pub const POWER_FLAPPING: &str = "power-flapping";
/// Contabo keeps refusing a call.
pub const REFUSED: &str = "refused";
/// Contabo waits for money, stock or a person before it makes the machine ready.
pub const BLOCKED_AT_CONTABO: &str = "blocked-at-contabo";
/// Contabo has been preparing or installing for far longer than usual.
pub const STUCK_AT_CONTABO: &str = "stuck-at-contabo";
/// Contabo reports an error, or a status that means neither on nor off.
pub const MACHINE_ERROR: &str = "machine-error";
/// Contabo delivered another product, or another region, than was ordered.
pub const NOT_AS_ORDERED: &str = "not-as-ordered";
/// A released machine was never seen to be wiped.
pub const WIPE_UNPROVED: &str = "wipe-unproved";
/// Another step of the same machine is under way.
pub const UNDER_WAY: &str = "under-way";

/// The codes of brakes and limits, as against those of waits and faults.
const BRAKES: [&str; 12] = [
    BUDGET,
    PURCHASE_RATE,
    QUOTA,
    NO_TIER,
    SIZE_NOT_IN_TIER,
    PURCHASE_LIMIT,
    TIER_BUDGET,
    PURCHASE_UNDECIDED,
    DELETION_BUDGET,
    MUTATION_BUDGET,
    INVENTORY_UNTRUSTED,
    POWER_FLAPPING,
];

/// The brake that is meant by the reason of a condition or an event, if it is one.
pub fn brake(reason: &str) -> Option<&'static str> {
    BRAKES.into_iter().find(|code| self::reason(code) == reason)
}

/// The code as the reason of a condition or an event: `purchase-rate` is `PurchaseRate`.
pub fn reason(code: &str) -> String {
    code.split('-')
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_code_reads_as_a_reason() {
        assert_eq!(super::reason("purchase-rate"), "PurchaseRate");
        assert_eq!(super::reason("budget"), "Budget");
        assert_eq!(super::brake("PurchaseRate"), Some(super::PURCHASE_RATE));
        assert_eq!(super::brake("Approval"), None);
    }
}
