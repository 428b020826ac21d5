//! The native engine with real servers: the two that start in a second.

use std::{
    fs,
    process::{Command, Stdio},
};

use daybook_stack::{Builder, Engine, Layout, Progress, Server, Service, Stack, Status, Until};

fn two_servers(instance: &str) -> Builder {
    let servers = [Server::Postgres, Server::Radicale];
    Stack::builder().instance(instance).engine(Engine::Native).servers(servers).until(Until::Servers).quiet(true)
}

fn pids(stack: &Stack) -> Vec<Option<i32>> {
    [Server::Postgres, Server::Radicale].map(|server| stack.server(server).pid()).into()
}

fn lives(pid: Option<i32>) -> bool {
    let state = fs::read_to_string(format!("/proc/{}/stat", pid.expect("it ran"))).unwrap_or_default();
    // A zombie has ended; whoever is to reap it may take its time.
    state.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn is_up(status: &Status) -> bool {
    status.running && status.ready.is_ok()
}

#[test]
fn an_ephemeral_stack_leaves_no_process_and_no_data_when_it_is_dropped() {
    let stack = two_servers("self-test-drop").ephemeral().up().expect("up");
    let (pids, layout) = (pids(&stack), stack.layout().clone());
    assert!(pids.iter().copied().all(lives));
    assert!(layout.env_file().exists() && layout.data().exists());
    drop(stack);
    assert!(!pids.iter().copied().any(lives), "{pids:?}");
    assert!(!layout.env_file().exists() && !layout.data().exists() && !layout.run().exists());
    assert!(layout.log().join("postgres.log").exists(), "the logs stay for whoever asks why");
}

#[test]
fn a_killed_or_paused_server_is_seen_and_comes_back_on_its_port() {
    let stack = two_servers("self-test-kill").ephemeral().up().expect("up");
    let (postgres, address) = (stack.server(Server::Postgres), stack.endpoints().postgres.owner);
    for round in 0..3 {
        let before = postgres.pid();
        postgres.kill9().expect("kill");
        assert!(!postgres.is_running() && postgres.ready().is_err(), "round {round}");
        postgres.start_ready().expect("start");
        assert_ne!(postgres.pid(), before);
    }
    assert_eq!(stack.endpoints().postgres.owner, address);

    let radicale = stack.server(Server::Radicale);
    radicale.pause().expect("pause");
    assert!(radicale.is_running() && radicale.ready().is_err(), "paused is alive and not ready");
    radicale.resume().expect("resume");
    radicale.wait_ready().expect("ready again");
    radicale.stop().expect("stop");
    assert!(!radicale.is_running() && radicale.term().is_err());
}

#[test]
fn a_stopped_server_is_put_back_to_what_it_was_when_a_copy_was_made() {
    let stack = two_servers("self-test-copy").ephemeral().up().expect("up");
    let (postgres, radicale) = (stack.server(Server::Postgres), stack.server(Server::Radicale));
    assert!(postgres.keep("before").is_err() && postgres.put_back("before").is_err(), "it runs");
    let mark = stack.layout().data().join("radicale/mark");
    for server in [&postgres, &radicale] {
        server.stop().expect("stop");
        server.keep("before").expect("a copy");
    }
    fs::write(&mark, "after the copy").expect("written");
    postgres.start_ready().expect("its data is still its own");
    postgres.kill9().expect("kill");
    for server in [&postgres, &radicale] {
        server.put_back("before").expect("put back");
        server.start_ready().expect("it runs on what was put back");
    }
    assert!(!mark.exists());
    assert!(radicale.put_back("before").is_err() && stack.service(Service::Arbiter).keep("before").is_err());
}

#[test]
fn a_second_up_changes_nothing_and_down_keeps_the_addresses() {
    let layout = Layout::find("self-test-again").expect("layout");
    let progress = Progress::new(true);
    Stack::clean(&layout, &progress).expect("nothing is left of an earlier run");
    let first = two_servers("self-test-again").up().expect("up");
    let second = two_servers("self-test-again").up().expect("up again");
    assert_eq!(pids(&first), pids(&second), "what runs and answers is left alone");
    let address = first.endpoints().caldav_url;
    Stack::down(&layout, &progress).expect("down");
    assert!(!first.status().iter().any(is_up));
    let third = two_servers("self-test-again").up().expect("up after down");
    assert_eq!(third.endpoints().caldav_url, address);
    assert_eq!(third.status().iter().filter(|status| is_up(status)).count(), 2);
    Stack::clean(&layout, &progress).expect("clean");
    assert!(!layout.data().exists() && !layout.log().exists());
}

#[test]
fn the_guard_brings_the_instance_down_when_the_test_process_is_gone() {
    let stack = two_servers("self-test-guard").up().expect("up");
    let pids = pids(&stack);
    let mut guard = Command::new(env!("CARGO_BIN_EXE_stack"));
    let guard = guard.args(["--instance", "self-test-guard", "guard"]).stdin(Stdio::piped()).spawn();
    let mut guard = guard.expect("the guard starts");
    assert!(pids.iter().copied().all(lives), "nothing happens while its standard input is open");
    drop(guard.stdin.take());
    assert!(guard.wait().expect("the guard ends").success());
    assert!(!pids.iter().copied().any(lives), "{pids:?}");
    assert!(!stack.layout().data().exists());
}
