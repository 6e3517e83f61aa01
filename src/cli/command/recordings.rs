//! Files of the simulator: recordings of calls, and whole accounts.

use std::path::Path;

use serde_json::{Value, json};

use super::simulator::{failed, say};
use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::output::Output;
use crate::simulator::control::ControlClient;

/// `simulator journal --save FILE`
pub async fn save(output: &Output, client: &ControlClient, file: &Path) -> Result<(), Report> {
    let journal = client.journal().await.map_err(|error| failed(&error))?;
    write(file, &journal)?;
    let calls = journal.lines().count().saturating_sub(1);
    let shown = file.display();
    let sentence = format!("{calls} calls are in {shown}; devpocket simulator replay {shown}");
    say(output, &json!({"calls": calls, "file": file}), &sentence);
    Ok(())
}

/// `simulator replay FILE`
pub fn replay(output: &Output, file: &Path) -> Outcome {
    let replayed = crate::simulator::replay(&read(file)?)
        .map_err(|error| Report::from(Failure::new("replay-differs", error.to_string())))?;
    let sentence = format!(
        "{} calls were answered as before, {} charges at the end",
        replayed.commands, replayed.charges
    );
    say(output, &json!({"calls": replayed.commands, "charges": replayed.charges}), &sentence);
    Ok(exit::DONE)
}

/// `simulator state save FILE`
pub async fn save_state(
    output: &Output,
    client: &ControlClient,
    file: &Path,
) -> Result<(), Report> {
    let state = client.state().await.map_err(|error| failed(&error))?;
    write(file, &state.to_string())?;
    say(output, &json!({"file": file}), &format!("the account is in {}", file.display()));
    Ok(())
}

/// `simulator state load FILE`
pub async fn load_state(
    output: &Output,
    client: &ControlClient,
    file: &Path,
) -> Result<(), Report> {
    let state: Value = serde_json::from_str(&read(file)?).map_err(|error| {
        let message = format!("{} holds no account: {error}", file.display());
        Report::from(Failure::usage(message))
    })?;
    let clock = client.load(&state).await.map_err(|error| failed(&error))?;
    say(
        output,
        &clock,
        &format!("the account of {} is there; it is now {}", file.display(), clock.now),
    );
    Ok(())
}

fn read(file: &Path) -> Result<String, Report> {
    std::fs::read_to_string(file).map_err(|error| {
        Failure::usage(format!("{} cannot be read: {error}", file.display())).into()
    })
}

fn write(file: &Path, text: &str) -> Result<(), Report> {
    std::fs::write(file, text).map_err(|error| {
        Failure::usage(format!("{} cannot be written: {error}", file.display())).into()
    })
}
