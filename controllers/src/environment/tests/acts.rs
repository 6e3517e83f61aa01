//! What people, panels and the other controllers do in the lab.

use devpocket_specs::environment::{Approval, EnvironmentSpec, Power};
use devpocket_specs::machine::{Machine, MachineState, Missing, Pool, Release};
use devpocket_specs::operation::{Operation, OperationPhase, Verb};
use jiff::SignedDuration;

use super::lab::{Lab, at, end, environment, set_power};

impl Lab {
    /// Something about the bound machine is seen to have changed, from now on.
    pub fn seen(&mut self, change: impl FnOnce(&mut Machine)) {
        let now = self.now;
        let machine = self.machine_mut();
        change(machine);
        if let Some(seen) = &mut machine.status.seen {
            seen.since = now;
        }
        self.look();
    }

    pub fn seen_power(&mut self, power: Power) {
        self.seen(|m| set_power(m, power));
    }

    /// The bound machine is proved to be gone.
    pub fn vanish(&mut self) {
        self.later(60);
        let now = self.now;
        let since = now - SignedDuration::from_mins(45);
        self.machine_mut().status.missing =
            Some(Missing { since, latest: now, sweeps: 3, not_found: Some(now) });
        self.look();
    }

    /// All planned operations are sent, end at once in the phase, and have their effect if it is
    /// one that says so.
    pub fn send_all(&mut self, phase: OperationPhase) {
        let now = self.now;
        for place in 0..self.operations.len() {
            if self.operations[place].status.phase != OperationPhase::Planned {
                continue;
            }
            end(&mut self.operations[place], now, phase);
            if phase == OperationPhase::Rejected {
                self.operations[place].status.code = Some(400);
                self.operations[place].status.message = "not now".into();
            }
        }
    }

    /// What succeeded shows in the next look.
    pub fn effects(&mut self) {
        let now = self.now;
        let done: Vec<Operation> = self
            .operations
            .iter()
            .filter(|o| o.status.phase == OperationPhase::Succeeded)
            .filter(|o| o.status.ended_at == Some(now))
            .cloned()
            .collect();
        for operation in done {
            let Some(machine) =
                self.machines.iter_mut().find(|m| m.metadata.name == operation.spec.machine)
            else {
                continue;
            };
            match operation.spec.verb {
                Verb::Start | Verb::Restart => set_power(machine, Power::Running),
                Verb::Stop | Verb::Shutdown => set_power(machine, Power::Stopped),
                Verb::Rename => {
                    let name = operation.spec.display_name.clone().unwrap();
                    machine.status.seen.as_mut().unwrap().display_name = name;
                }
                _ => continue,
            }
            machine.status.seen.as_mut().unwrap().since = now + SignedDuration::from_secs(1);
        }
    }

    /// Sends what is planned, lets it take effect, and looks once that is evidence.
    pub fn carry_out(&mut self) {
        self.send_all(OperationPhase::Succeeded);
        self.effects();
        self.look_after(2);
    }

    pub fn edit(&mut self, change: impl FnOnce(&mut EnvironmentSpec)) {
        change(&mut self.environment.spec);
        self.environment.metadata.generation += 1;
    }

    pub fn delete(&mut self) {
        self.environment.metadata.deletion_timestamp = Some(self.now);
    }

    /// Approves every step that waits.
    pub fn approve(&mut self) {
        let plan = self.decide().plan;
        let fingerprints = plan.steps.iter().filter_map(|s| s.fingerprint.clone()).collect();
        self.environment.status.approvals.push(Approval {
            fingerprints,
            by: "lead@example.com".into(),
            account: None,
            at: self.now,
            expires: self.now + SignedDuration::from_hours(24),
        });
    }

    /// A paid, wiped machine that nobody holds.
    pub fn pool_machine(&mut self, name: &str) {
        let mut other = Lab::new();
        other.environment = environment("former", 99);
        other.settle();
        other.buy_all();
        let mut machine = other.machine().clone();
        machine.metadata.name = name.to_owned();
        let carries = crate::operation::token::display_name("former", "0a1b2c3d", name);
        machine.status.seen.as_mut().unwrap().display_name = carries;
        machine.metadata.uid = Some(self.uid());
        let claim = machine.spec.claim.take().unwrap();
        machine.spec.release = Some(Release {
            uid: claim.uid,
            namespace: claim.namespace,
            name: claim.name,
            at: at(-3_000),
            until: at(-1_500),
            reclaim: Default::default(),
            spec: serde_json::Value::Null,
            managed_fields: Default::default(),
        });
        machine.spec.pool = Some(Pool { since: at(-60) });
        machine.status.state = MachineState::Available;
        machine.status.instance_id = Some(300_000_000 + i64::try_from(self.serial).unwrap());
        self.machines.push(machine);
    }
}
