//! A process is known by its pid and its start, and killed with its children.

use std::{env, process};

use super::*;
use crate::part::Service;

const PART: Part = Part::Service(Service::Receiver, 1);

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let directory = env::temp_dir().join(format!("daybook-{name}-{}", process::id()));
        fs::create_dir_all(&directory).expect("temp dir");
        Scratch(directory)
    }

    fn supervisor(&self) -> Supervisor {
        Supervisor::new(self.0.clone(), self.0.clone())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn shell(script: &str) -> Launch {
    Launch {
        program: PathBuf::from("/bin/sh"),
        args: vec!["-c".to_owned(), script.to_owned()],
        env: BTreeMap::new(),
        directory: env::temp_dir(),
        files: Vec::new(),
    }
}

#[test]
fn a_program_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
    let text = "42 (a) b (c)) S 7 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 98765 1000 1 18446744073709551615";
    assert_eq!(Stat::parse(text), Some(Stat { state: 'S', parent: 7, start: 98765 }));
    assert_eq!(Stat::parse("42 (cut short) S 7"), None);
}

#[test]
fn this_process_is_alive_under_its_own_identity_and_no_other() {
    let own = Identity::of(process::id().cast_signed()).expect("we run");
    assert!(own.lives());
    let reused = Identity { start: own.start + 1, ..own.clone() };
    assert!(!reused.lives(), "another start time is another process");
    let rebooted = Identity { boot: "another".to_owned(), ..own };
    assert!(!rebooted.lives(), "another boot is another process");
}

#[test]
fn a_pid_that_was_given_to_somebody_else_is_left_alone() {
    let scratch = Scratch::new("reused");
    let mut stranger = Command::new("sleep").arg("60").spawn().expect("sleep");
    let identity = Identity::of(stranger.id().cast_signed()).expect("it runs");
    let stale = format!("{} {} {} x", identity.pid, identity.start + 1, identity.boot);
    fs::write(scratch.0.join("receiver.pid"), stale).expect("write");
    let supervisor = scratch.supervisor();
    assert_eq!(supervisor.running(PART), None);
    supervisor.stop(PART).expect("nothing to stop");
    supervisor.kill(PART).expect("nothing to kill");
    assert!(identity.lives(), "the stranger was killed");
    assert_eq!(supervisor.known(), [], "the stale file is gone");
    stranger.kill().expect("kill");
    stranger.wait().expect("wait");
}

#[test]
fn what_was_started_is_found_by_another_supervisor_and_stopped() {
    let scratch = Scratch::new("adopt");
    let launch = shell("exec sleep 60");
    let first = scratch.supervisor();
    let identity = first.start(PART, &launch).expect("start");
    let second = scratch.supervisor();
    assert_eq!(second.running(PART).as_ref(), Some(&identity));
    assert!(second.runs(PART, &launch));
    assert!(!second.runs(PART, &shell("exec sleep 61")), "other arguments are another launch");
    assert!(!first.stop(PART).expect("stop"), "sleep ends when asked");
    assert_eq!(second.running(PART), None);
}

#[test]
fn a_paused_process_still_stops_when_asked() {
    let scratch = Scratch::new("paused");
    let supervisor = scratch.supervisor();
    supervisor.start(PART, &shell("exec sleep 60")).expect("start");
    supervisor.signal(PART, Signal::SIGSTOP).expect("pause");
    assert!(supervisor.running(PART).is_some());
    assert!(!supervisor.stop(PART).expect("stop"));
}

#[test]
fn a_kill_leaves_no_children_behind() {
    let scratch = Scratch::new("orphans");
    let supervisor = scratch.supervisor();
    let identity = supervisor.start(PART, &shell("sleep 60 & wait")).expect("start");
    let child = wait::until(Duration::from_secs(10), || descendants(identity.pid).pop()).expect("sleep runs");
    supervisor.kill(PART).expect("kill");
    assert!(!child.lives() && supervisor.running(PART).is_none());
    assert!(supervisor.signal(PART, Signal::SIGCONT).is_err(), "nobody is left to take a signal");
}

#[test]
fn the_callers_daybook_variables_do_not_reach_a_child() {
    let mut command = Command::new("env");
    command.env("DAYBOOK_OWN", "kept").stdout(Stdio::piped());
    let output = spawn_scrubbed(&mut command).expect("env").wait_with_output().expect("output");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names: Vec<&str> = text.lines().filter(|line| line.starts_with("DAYBOOK")).collect();
    assert_eq!(names, ["DAYBOOK_OWN=kept"]);
}
