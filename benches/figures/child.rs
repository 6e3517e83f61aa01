//! Work that has to be in a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::{machines, memory, model, watch};

/// Begins the arguments of a child.
const MARK: &str = "--child";

/// What a child does.
pub enum Task {
    /// Watches over sockets, and tells when each change arrived.
    Watchers { url: String, count: usize, after: u64 },
    /// Holds what a replica holds, and tells how much memory that takes.
    Replica { database: String },
    /// Serves machines that install themselves.
    Machines,
    /// Serves a simulated account of so many machines.
    Simulator { instances: usize },
}

impl Task {
    pub fn from_arguments(arguments: &[String]) -> Option<Task> {
        match arguments {
            [mark, name, url, count, after] if mark == MARK && name == "watchers" => {
                let count = count.parse().expect("a number of watchers");
                let after = after.parse().expect("a revision");
                Some(Task::Watchers { url: url.clone(), count, after })
            }
            [mark, name, database] if mark == MARK && name == "replica" => {
                Some(Task::Replica { database: database.clone() })
            }
            [mark, name, instances] if mark == MARK && name == "simulator" => {
                let instances = instances.parse().expect("a number of instances");
                Some(Task::Simulator { instances })
            }
            [mark, name] if mark == MARK && name == "machines" => Some(Task::Machines),
            _ => None,
        }
    }

    pub fn run(self) {
        match self {
            Task::Watchers { url, count, after } => watch::watch(&url, count, after),
            Task::Replica { database } => memory::replica(&database),
            Task::Simulator { instances } => model::serve(instances),
            Task::Machines => machines::serve(),
        }
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![MARK.to_owned()];
        match self {
            Task::Machines => arguments.push("machines".to_owned()),
            Task::Watchers { url, count, after } => {
                arguments.extend(["watchers".to_owned(), url.clone()]);
                arguments.extend([count.to_string(), after.to_string()]);
            }
            Task::Replica { database } => {
                arguments.extend(["replica".to_owned(), database.clone()]);
            }
            Task::Simulator { instances } => {
                arguments.extend(["simulator".to_owned(), instances.to_string()]);
            }
        }
        arguments
    }

    /// Starts this program again for the task.
    pub fn spawn(self) -> Worker {
        let own = std::env::current_exe().expect("this program's own path");
        let mut child = Command::new(own)
            .args(self.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts again");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let stdin = child.stdin.take();
        Worker { child, stdin, stdout }
    }
}

/// A running child.
pub struct Worker {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Worker {
    /// The next line it prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("the child speaks UTF-8");
        assert!(!line.is_empty(), "the child ended early");
        line.trim_end().to_owned()
    }

    /// Tells it to end, by the end of its input, and answers all it still prints.
    pub fn finish(mut self) -> Vec<String> {
        drop(self.stdin.take());
        let lines = self.stdout.by_ref_lines();
        assert!(self.child.wait().expect("it ends").success(), "the child failed");
        lines
    }
}

trait Lines {
    fn by_ref_lines(&mut self) -> Vec<String>;
}

impl Lines for BufReader<ChildStdout> {
    fn by_ref_lines(&mut self) -> Vec<String> {
        self.lines().map(|line| line.expect("the child speaks UTF-8")).collect()
    }
}
