//! The model on a thread of its own: one command after the other, each on disk before its answer.
//!
//! Commands that queue up while the disk is busy share the next fsync, and their answers leave
//! together after it; so no answer shows what a crash could still undo.

use std::path::PathBuf;
use std::thread;

use devpocket_controllers::sim::contabo::{
    Body, Call, Contabo, CreateInstance, Fault, PanelAction, PanelError, Reply, Settings,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::durable::Durable;
use super::recording::Recording;
use super::{SimulatorClock, SimulatorError};

/// Commands waiting; senders wait beyond that.
const QUEUE_LIMIT: usize = 1024;
/// Commands that share one fsync.
const BATCH_LIMIT: usize = 64;

/// Everything that can change the model, in the form in which it is kept on disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Command {
    Step(Box<Call>),
    Panel {
        id: i64,
        action: PanelAction,
    },
    PanelPurchase(Box<CreateInstance>),
    Arm(Box<Fault>),
    Disarm(u64),
    DisarmAll,
    Settings(Box<Settings>),
    /// A saved account takes the place of this one.
    Load(Box<Contabo>),
    /// Time passes; only worth a record when somebody moved the clock.
    Tick,
}

#[derive(Debug)]
pub(super) enum Answer {
    Reply(Box<Reply>),
    Panel(Result<(), PanelError>),
    Purchased(Result<i64, PanelError>),
    Armed(Result<u64, String>),
    Disarmed(usize),
    Done,
}

impl Answer {
    /// What of an answer a replay must repeat.
    pub fn fingerprint(&self) -> String {
        match self {
            Answer::Reply(reply) => match &reply.body {
                Body::Created(view) => format!("{} {}", reply.status, view.instance_id),
                Body::TagCreated(view) => format!("{} {}", reply.status, view.tag_id),
                Body::SnapshotCreated(view) => format!("{} {}", reply.status, view.snapshot_id),
                Body::ImageCreated(view) => format!("{} {}", reply.status, view.image_id),
                Body::SecretCreated(view) => format!("{} {}", reply.status, view.secret_id),
                Body::NetworkCreated(view) => {
                    format!("{} {}", reply.status, view.private_network_id)
                }
                _ => reply.status.to_string(),
            },
            other => format!("{other:?}"),
        }
    }
}

/// The simulator cannot answer: its data cannot be written, or it is shutting down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the simulator stands still: its data cannot be written, or it is shutting down")]
pub(super) struct Stalled;

type Look = Box<dyn FnOnce(&Contabo) + Send>;

/// Commands whose effect no revision tells.
fn always_counts(command: &Command) -> bool {
    matches!(command, Command::Tick | Command::Load(_))
}

enum Job {
    Run(Command, oneshot::Sender<Answer>),
    Look(Look),
    Export(oneshot::Sender<String>),
    Stop(oneshot::Sender<()>),
}

/// The way to the thread; clones lead to the same one, which ends with the last of them.
#[derive(Clone)]
pub(super) struct Engine {
    jobs: mpsc::Sender<Job>,
}

impl Engine {
    pub fn start(
        data: Option<PathBuf>,
        new: Contabo,
        clock: SimulatorClock,
        speed: Option<f64>,
    ) -> Result<Engine, SimulatorError> {
        let (disk, mut model) = match data {
            None => (None, new),
            Some(folder) => {
                let (disk, model) = Durable::open(folder, new)?;
                (Some(disk), model)
            }
        };
        if let Some(speed) = speed.filter(|speed| *speed != model.settings().speed) {
            model.set_settings(Settings { speed, ..model.settings().clone() });
        }
        // A clock that was advanced before a restart starts anew; time must not go back.
        let behind = model.now().duration_since((clock.now)());
        if behind > SignedDuration::ZERO {
            (clock.advance)(behind);
        }
        let (jobs, queue) = mpsc::channel(QUEUE_LIMIT);
        let recording = Recording::starting_with(model.clone());
        let mut worker = Worker { model, disk, clock, recording, broken: false };
        if let Some(disk) = &mut worker.disk {
            disk.fold(&worker.model)?;
        }
        thread::Builder::new()
            .name("contabo-simulator".to_owned())
            .spawn(move || worker.work(queue))
            .map_err(SimulatorError::Thread)?;
        Ok(Engine { jobs })
    }

    pub async fn run(&self, command: Command) -> Result<Answer, Stalled> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job::Run(command, answer)).await.map_err(|_| Stalled)?;
        answered.await.map_err(|_| Stalled)
    }

    pub async fn step(&self, call: Call) -> Result<Reply, Stalled> {
        match self.run(Command::Step(Box::new(call))).await? {
            Answer::Reply(reply) => Ok(*reply),
            _ => Err(Stalled),
        }
    }

    /// Looks at the model, after everything it shows is on disk.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Contabo) -> T + Send + 'static,
    ) -> Result<T, Stalled> {
        let (seen, looked) = oneshot::channel();
        let look: Look = Box::new(move |model| {
            let _ = seen.send(look(model));
        });
        self.jobs.send(Job::Look(look)).await.map_err(|_| Stalled)?;
        looked.await.map_err(|_| Stalled)
    }

    /// All calls since the start, as [`super::recording::replay`] reads them.
    pub async fn export(&self) -> Result<String, Stalled> {
        let (send, receive) = oneshot::channel();
        self.jobs.send(Job::Export(send)).await.map_err(|_| Stalled)?;
        receive.await.map_err(|_| Stalled)
    }

    /// Writes a snapshot and ends the thread.
    pub async fn stop(&self) {
        let (done, ended) = oneshot::channel();
        if self.jobs.send(Job::Stop(done)).await.is_ok() {
            let _ = ended.await;
        }
    }
}

/// Carries out a command; the same for the first time and for a replay.
pub(super) fn apply(model: &mut Contabo, command: &Command, now: Timestamp) -> Answer {
    match command {
        Command::Step(call) => Answer::Reply(Box::new(model.step(call, now))),
        Command::Panel { id, action } => Answer::Panel(model.panel(*id, action, now)),
        Command::PanelPurchase(body) => Answer::Purchased(model.panel_purchase(body, now)),
        Command::Arm(fault) => {
            model.advance(now);
            Answer::Armed(model.arm((**fault).clone()))
        }
        Command::Disarm(id) => Answer::Disarmed(usize::from(model.disarm(*id))),
        Command::DisarmAll => Answer::Disarmed(model.disarm_all()),
        Command::Settings(settings) => {
            model.advance(now);
            model.set_settings((**settings).clone());
            Answer::Done
        }
        Command::Load(loaded) => {
            *model = (**loaded).clone();
            model.advance(now);
            Answer::Done
        }
        Command::Tick => {
            model.advance(now);
            Answer::Done
        }
    }
}

struct Worker {
    model: Contabo,
    disk: Option<Durable>,
    clock: SimulatorClock,
    recording: Recording,
    /// A failed write: memory is ahead of the disk, and nothing may be answered any more.
    broken: bool,
}

impl Worker {
    fn work(mut self, mut queue: mpsc::Receiver<Job>) {
        while let Some(first) = queue.blocking_recv() {
            let mut batch = vec![first];
            while batch.len() < BATCH_LIMIT
                && let Ok(job) = queue.try_recv()
            {
                batch.push(job);
            }
            if let Some(done) = self.handle(batch) {
                // The files are closed before anybody hears that we are done.
                drop(self);
                let _ = done.send(());
                return;
            }
        }
    }

    /// Returns whom to tell when it was asked to stop.
    fn handle(&mut self, batch: Vec<Job>) -> Option<oneshot::Sender<()>> {
        let (mut answers, mut looks, mut exports) = (Vec::new(), Vec::new(), Vec::new());
        let (mut stop, mut dirty) = (None, false);
        for job in batch {
            match job {
                Job::Run(command, sender) => {
                    let (answer, wrote) = self.carry_out(command);
                    dirty |= wrote;
                    answers.push((sender, answer));
                }
                Job::Look(look) => looks.push(look),
                Job::Export(send) => exports.push(send),
                Job::Stop(done) => stop = Some(done),
            }
        }
        if let Some(disk) = self.disk.as_mut().filter(|_| dirty && !self.broken) {
            let synced = disk.sync(&self.model);
            self.broken |= report(synced);
        }
        if self.broken {
            // Dropped senders tell the clients that the simulator stands still.
            return stop;
        }
        for (sender, answer) in answers {
            let _ = sender.send(answer);
        }
        self.model.advance((self.clock.now)());
        for look in looks {
            look(&self.model);
        }
        for send in exports {
            match self.recording.export() {
                Ok(text) => drop(send.send(text)),
                Err(error) => tracing::error!(%error, "the recording cannot be written"),
            }
        }
        if let (Some(disk), true) = (self.disk.as_mut(), stop.is_some()) {
            self.broken |= report(disk.fold(&self.model));
        }
        stop
    }

    /// The answer, and whether it waits for the disk.
    fn carry_out(&mut self, command: Command) -> (Answer, bool) {
        if self.broken {
            return (Answer::Done, false);
        }
        let now = (self.clock.now)();
        let before = self.model.revision();
        let answer = apply(&mut self.model, &command, now);
        let changed = self.model.revision() != before || always_counts(&command);
        self.recording.add(now, command.clone(), &answer);
        if let Some(disk) = self.disk.as_mut().filter(|_| changed) {
            self.broken |= report(disk.append(command, now, answer.fingerprint()));
            return (answer, true);
        }
        (answer, false)
    }
}

/// Whether writing failed; says so.
fn report(result: Result<(), super::DataError>) -> bool {
    match result {
        Ok(()) => false,
        Err(error) => {
            tracing::error!(%error, "the simulator stands still");
            true
        }
    }
}
