//! Whether a saved account can be gone on with. One that was edited by hand can hold anything, and
//! nothing that is loaded may make the model fall over later.

use jiff::Timestamp;

use super::Contabo;

/// Ids, counters and amounts beyond this are nobody's.
const NUMBER_LIMIT: i64 = 1_000_000_000_000;
/// Longest term, in months.
const TERM_LIMIT: i64 = 120;
/// Terms a contract can have had.
const TERMS_LIMIT: i64 = 10_000;

impl Contabo {
    /// What makes a loaded account one that cannot be, in a sentence.
    pub fn check(&self) -> Result<(), String> {
        let within = |what: &str, number: i64| {
            if (0..=NUMBER_LIMIT).contains(&number) {
                Ok(())
            } else {
                Err(format!("{what} is {number}"))
            }
        };
        let counted = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        within("the number of orders", counted(self.orders))?;
        within("the last name", counted(self.last_number.unwrap_or(0)))?;
        within("the number of addresses", counted(self.addresses))?;
        within("the last audit", self.last_audit)?;
        within("the last tag", self.next_tag)?;
        within("the last secret", self.last_secret)?;
        within("the last image", counted(self.last_image))?;
        within("the last network", self.last_network)?;
        within("the last snapshot", self.last_snapshot)?;
        within("the revision", counted(self.revision))?;
        within("the number of calls", counted(self.journal.total))?;
        self.check_instances()?;
        self.check_ledger()?;
        for armed in self.faults.armed.iter() {
            armed.fault.check()?;
        }
        for (id, network) in &self.networks {
            within("a network's last address", network.handed_out)?;
            if *id != network.network_id || network.network_id < 0 {
                return Err(format!("network {id} says it is {}", network.network_id));
            }
        }
        Ok(())
    }

    fn check_instances(&self) -> Result<(), String> {
        for (id, instance) in &self.instances {
            let contract = &instance.contract;
            let right = *id == instance.instance_id
                && (0..=NUMBER_LIMIT).contains(id)
                && (1..=TERM_LIMIT).contains(&contract.months)
                && (0..=TERMS_LIMIT).contains(&contract.terms)
                && (0..=NUMBER_LIMIT).contains(&contract.term_cents)
                // Or renewals would have to be made up for from before there was a Contabo.
                && contract.paid_through >= Timestamp::UNIX_EPOCH
                && instance
                    .facts
                    .hardware
                    .as_ref()
                    .is_none_or(|hardware| (0..=NUMBER_LIMIT).contains(&hardware.host_number));
            if !right {
                return Err(format!("instance {id} cannot be"));
            }
        }
        Ok(())
    }

    fn check_ledger(&self) -> Result<(), String> {
        let mut total = 0i64;
        for entry in &self.ledger.entries {
            if !(0..=NUMBER_LIMIT).contains(&entry.cents) {
                return Err(format!("charge {} is of {} cents", entry.number, entry.cents));
            }
            total = total.saturating_add(entry.cents);
        }
        if total != self.ledger.total_cents {
            let said = self.ledger.total_cents;
            return Err(format!("the ledger's charges add up to {total}, not to {said}"));
        }
        Ok(())
    }
}
