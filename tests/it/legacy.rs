//! Calendars that are iCalendar, through the whole pipeline: two servers of CalDAV, edited by a program that is not ours, and
//! files that are published. What is taken is what a third program says that there is.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Days, TimeDelta, Utc};
use daybook_domain::topics::DLQ_NORMALIZER;
use daybook_runtime::clock;
use daybook_tests::people::{calendar_mark, mark};
use daybook_tests::resources::Resource;
use daybook_tests::wait::{not_yet, wait_until};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::instance::{Instance, OFFICE_PORT, SOON, files, shared};
use crate::peers::{calendars, run};

type Times = BTreeSet<(String, String)>;

/// A process that ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that edits calendars.
struct Editor {
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    _process: Ends,
}

impl Editor {
    fn start(it: &Instance, server: &str, user: &str, password: &str) -> Result<Self> {
        let mut command = Command::new(calendars(&it.stack.layout().dist())?);
        command.arg(script("edits.py")).args([server, user, password]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (to, from) = (process.stdin.take().context("its input")?, process.stdout.take().context("its output")?);
        Ok(Self { to, from: BufReader::new(from), _process: Ends(process) })
    }

    fn does(&mut self, command: &Value) -> Result<String> {
        writeln!(self.to, "{command}")?;
        self.to.flush()?;
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("the editor says nothing to {command}"))
    }
}

fn script(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name)
}

fn now() -> DateTime<Utc> {
    clock::now().into()
}

fn basic(time: DateTime<Utc>) -> String {
    time.format("%Y%m%dT%H%M%SZ").to_string()
}

fn calendar(events: &str) -> String {
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Clinic//Rota//EN\r\n{events}END:VCALENDAR\r\n")
}

fn event(uid: &str, lines: &str) -> String {
    let lines = lines.replace('\n', "\r\n");
    format!("BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:{}\r\n{lines}\r\nEND:VEVENT\r\n", basic(now()))
}

/// What the other program says that is in these objects, from the day after tomorrow on.
fn shown(it: &Instance, objects: &BTreeMap<&str, String>) -> Result<Times> {
    #[derive(Deserialize)]
    struct Line {
        times: Times,
    }
    let text = calendar(&objects.values().map(String::as_str).collect::<String>());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.ics", it.name("objects")));
    std::fs::create_dir_all(env!("CARGO_TARGET_TMPDIR"))?;
    std::fs::write(&file, text)?;
    let mut command = Command::new(calendars(&it.stack.layout().dist())?);
    command.arg(script("occurrences.py")).arg(&file).args([basic(now()), basic(now() + Days::new(390))]);
    let said = run(&mut command)?;
    std::fs::remove_file(&file)?;
    let mut times = Times::new();
    for line in said.lines() {
        let line: Line = serde_json::from_str(line).with_context(|| line.to_owned())?;
        times.extend(line.times);
    }
    Ok(inner(times))
}

/// Without what is at an end of the window, which moves.
fn inner(times: Times) -> Times {
    let (from, to) = (basic(now() + Days::new(2)), basic(now() + Days::new(380)));
    times.into_iter().filter(|(start, _)| (&from..&to).contains(&start)).collect()
}

async fn taken(it: &Instance, resource: &str) -> Result<Times> {
    let rows = it.world.store.bookings_of(resource).await?;
    let busy = rows.into_iter().filter(|row| row.kind == "busy" && row.is_live());
    let times = busy.filter_map(|row| Some((basic(row.start_time?), basic(row.end_time?))));
    Ok(inner(times.collect()))
}

/// Waits until what is taken is what the other program says.
async fn same(it: &Instance, resource: &str, objects: &BTreeMap<&str, String>) -> Result<Times> {
    let shown = shown(it, objects)?;
    wait_until("the calendar to be what is decided", SOON, async || {
        let taken = taken(it, resource).await?;
        let (more, less) = (taken.difference(&shown).count(), shown.difference(&taken).count());
        not_yet(taken == shown, || format!("{more} are taken that are not shown, {less} are shown that are not taken"))
    })
    .await?;
    Ok(shown)
}

/// Edits, each of which must be decided: single events, and series across both changes of the clocks in three zones, with
/// instances that are moved, cancelled and left out.
async fn edited(it: &Instance, source: &'static str, editor: &mut Editor) -> Result<()> {
    let id = it.name("legacy");
    let path = editor.does(&json!({"do": "make", "calendar": format!("{}-{id}", calendar_mark())}))?;
    let resource = Resource { read: Some((source, path.clone())), ..Resource::unseen(&id) };
    it.world.load(std::slice::from_ref(&resource)).await?;
    let mut objects = BTreeMap::new();
    let put = |editor: &mut Editor, objects: &mut BTreeMap<&str, String>, uid: &'static str, text: String| {
        editor.does(&json!({"do": "put", "calendar": path, "data": calendar(&text)}))?;
        objects.insert(uid, text);
        anyhow::Ok(())
    };
    let day = (now() + Days::new(5)).date_naive();
    let single = |hour: u32| {
        let start = day.and_hms_opt(hour, 0, 0).expect("an hour").and_utc();
        format!("DTSTART:{}\nDTEND:{}\nSUMMARY:{}", basic(start), basic(start + TimeDelta::minutes(45)), mark())
    };
    put(editor, &mut objects, "single", event("single", &single(9)))?;
    put(editor, &mut objects, "other", event("other", &single(12)))?;
    let local = day.format("%Y%m%d");
    for (uid, zone, time) in [
        ("york", "America/New_York", "013000"),
        ("london", "Europe/London", "013000"),
        ("howe", "Australia/Lord_Howe", "013500"),
    ] {
        let lines = format!("DTSTART;TZID={zone}:{local}T{time}\nDURATION:PT15M\nRRULE:FREQ=DAILY");
        put(editor, &mut objects, uid, event(uid, &lines))?;
    }
    let all = same(it, &id, &objects).await.context("what is there at first")?;
    ensure!(all.len() > 3 * 365, "a year of three series is {} instances", all.len());

    // Moved, and a series of which one instance is moved, one cancelled, and one left out.
    put(editor, &mut objects, "single", event("single", &single(15)))?;
    let instance = |days: u64| (day + Days::new(days)).format("%Y%m%d").to_string();
    let (zone, time) = ("Europe/London", "013000");
    let first = format!(
        "DTSTART;TZID={zone}:{local}T{time}\nDURATION:PT15M\nRRULE:FREQ=DAILY\nEXDATE;TZID={zone}:{}T{time}",
        instance(3)
    );
    let moved = format!(
        "RECURRENCE-ID;TZID={zone}:{0}T{time}\nDTSTART;TZID={zone}:{0}T110000\nDURATION:PT30M\nSEQUENCE:1",
        instance(4)
    );
    let text = [event("london", &first), event("london", &moved)].concat();
    put(editor, &mut objects, "london", text)?;
    let fewer = same(it, &id, &objects).await.context("after one was moved and one left out")?;
    ensure!(fewer.len() + 1 == all.len(), "one instance less than {} is {}", all.len(), fewer.len());

    // Deleted.
    for uid in ["other", "howe"] {
        editor.does(&json!({"do": "delete", "calendar": path, "uid": uid}))?;
        objects.remove(uid);
    }
    same(it, &id, &objects).await.context("after some were deleted")?;
    Ok(())
}

#[test]
fn what_another_program_does_in_radicale_is_decided() -> Result<()> {
    shared(async |it| {
        let to = &it.world.endpoints;
        let mut editor = Editor::start(it, &to.caldav_url, &to.caldav_user, &to.caldav_password)?;
        edited(it, "legacy", &mut editor).await
    })
}

#[test]
fn what_another_program_does_in_xandikos_is_decided() -> Result<()> {
    shared(async |it| {
        let python = calendars(&it.stack.layout().dist())?;
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(it.name("xandikos"));
        std::fs::create_dir_all(&home)?;
        let mut command = Command::new(python.with_file_name("xandikos"));
        command.args(["serve", "--defaults", "--current-user-principal", "/user/", "-l", "127.0.0.1", "-p"]);
        command
            .arg(OFFICE_PORT.to_string())
            .arg("-d")
            .arg(home.join("data"))
            .arg("--state-dir")
            .arg(home.join("state"));
        let server = Ends(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        let url = format!("http://127.0.0.1:{}", *OFFICE_PORT);
        wait_until("Xandikos to answer", SOON, async || {
            let answer = it.world.http.get(&url).send().await;
            not_yet(answer.is_ok(), || "it does not".to_owned())
        })
        .await?;
        let mut editor = Editor::start(it, &url, "user", "nobody asks for it")?;
        edited(it, "office", &mut editor).await?;
        drop(server);
        std::fs::remove_dir_all(&home)?;
        Ok(())
    })
}

#[test]
fn a_published_file_is_taken_as_it_is_and_what_it_lacks_is_not_believed_at_once() -> Result<()> {
    shared(async |it| {
        let id = it.name("published");
        let name = format!("{}-{id}.ics", calendar_mark());
        let resource = Resource { read: Some(("feed", name.clone())), ..Resource::unseen(&id) };
        let start = |days: u64| (now() + Days::new(days)).format("%Y%m%d").to_string();
        let weekly = |more: &str| {
            let lines = format!(
                "DTSTART;TZID=W. Europe Standard Time:{}T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=10{more}",
                start(3)
            );
            // The other program does not know Windows' names without a description of the zone.
            (event("weekly", &lines), event("weekly", &lines.replace("W. Europe Standard Time", "Europe/Berlin")))
        };
        let single = event("single", &format!("DTSTART:{}T120000Z\nDURATION:PT1H\nSUMMARY:{}", start(4), mark()));
        let (written, said) = weekly("");
        let mut objects = BTreeMap::from([("single", single.clone()), ("weekly", said)]);
        files().publish(&name, &calendar(&format!("{single}{written}")));
        it.world.load(std::slice::from_ref(&resource)).await?;
        same(it, &id, &objects).await.context("what is there at first")?;
        wait_until("the file to be the same as before", SOON, async || {
            not_yet(files().asked(&name).1 > 0, || "it is asked for in full each time".to_owned())
        })
        .await?;

        // An instance that is left out of a series that is there.
        let (written, said) = weekly(&format!("\nEXDATE;TZID=Europe/Berlin:{}T090000", start(10)));
        objects.insert("weekly", said);
        files().publish(&name, &calendar(&format!("{single}{written}")));
        let before = same(it, &id, &objects).await.context("after one was left out")?;

        // Nothing at all, and half a file: whatever is read meanwhile, nobody's time is given away.
        for bad in [calendar(""), format!("BEGIN:VCALENDAR\r\n{single}"), "<html>Log in</html>".to_owned()] {
            let (asked, _) = files().asked(&name);
            files().publish(&name, &bad);
            wait_until("the bad file to be read", SOON, async || {
                not_yet(files().asked(&name).0 > asked, || "it was not asked for".to_owned())
            })
            .await?;
            files().publish(&name, &calendar(&format!("{single}{written}")));
            let (_, same_as_before) = files().asked(&name);
            wait_until("the good file to be read", SOON, async || {
                not_yet(files().asked(&name).1 > same_as_before, || "it was not read again".to_owned())
            })
            .await?;
            ensure!(taken(it, &id).await? == before, "a bad file has changed what is taken");
        }

        // Gone, and gone it stays; and what cannot be read is somebody's to see.
        objects.remove("single");
        let nowhere = event("nowhere", &format!("DTSTART;TZID=Nowhere:{}T090000\nDURATION:PT1H", start(5)));
        files().publish(&name, &calendar(&format!("{written}{nowhere}")));
        same(it, &id, &objects).await.context("after one was deleted")?;
        wait_until("the dead letter", SOON, async || {
            let letters = it.world.kafka.records(DLQ_NORMALIZER).await?;
            let found = letters.iter().any(|letter| letter.key.as_deref() == Some(name.as_bytes()));
            not_yet(found, || format!("none of {} is about it", letters.len()))
        })
        .await
    })
}

#[test]
fn a_dry_run_says_what_a_reading_would_find_and_does_none_of_it() -> Result<()> {
    shared(async |it| {
        let id = it.name("rehearsed");
        let name = format!("{}-{id}.ics", calendar_mark());
        let resource = Resource { read: Some(("feed", name.clone())), ..Resource::unseen(&id) };
        let single = |uid: &str, days: u64| {
            let start = (now() + Days::new(days)).format("%Y%m%d");
            event(uid, &format!("DTSTART:{start}T120000Z\nDURATION:PT1H\nSUMMARY:{}", mark()))
        };
        let (first, moved, second) = (single("first", 4), single("first", 5), single("second", 6));
        files().publish(&name, &calendar(&first));
        it.world.load(std::slice::from_ref(&resource)).await?;
        let before = same(it, &id, &BTreeMap::from([("first", first)])).await.context("what is there at first")?;
        // Not due for an hour.
        let owner = sqlx::PgPool::connect(&it.world.endpoints.postgres.owner).await?;
        wait_until("the calendar to be nobody's", SOON, async || {
            let put_off = sqlx::query(
                "UPDATE polled_calendar SET next_at = now() + interval '1 hour' WHERE resource_id = $1 AND owner IS NULL",
            );
            let done = put_off.bind(&id).execute(&owner).await?.rows_affected();
            not_yet(done == 1, || "it is being read".to_owned())
        })
        .await?;
        files().publish(&name, &calendar(&format!("{moved}{second}")));
        let ran = it.world.daybook(&["sync", "feed", "--resource", &id, "--dry-run"], "").await?;
        let line = ran.out.lines().find(|line| line.starts_with(&id)).context("a line of the calendar's")?;
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        ensure!(ran.success && words == ["1", "1", "0", "0", "done"], "{}", ran.everything());
        ensure!(taken(it, &id).await? == before, "a dry run has changed what is taken");

        let ran = it.world.daybook(&["sync", "feed", "--resource", &id], "").await?;
        ensure!(ran.success, "{}", ran.everything());
        same(it, &id, &BTreeMap::from([("first", moved), ("second", second)])).await.context("after it was read")?;

        // A listing, of which somebody else may find something at the same time.
        let ran = it.world.daybook(&["sync", "acuity", "--dry-run"], "").await?;
        let done = ran.out.lines().filter(|line| line.starts_with('(') && line.ends_with("done")).count();
        ensure!(done > 0, "{}", ran.everything());
        let ran = it.world.daybook(&["sync", "nobody", "--dry-run"], "").await?;
        ensure!(ran.code == Some(1) && ran.err.contains("has no such calendars"), "{}", ran.everything());
        Ok(())
    })
}
