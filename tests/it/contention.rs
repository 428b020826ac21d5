//! Three arbiters, forty resources with too little time for everybody, and whatever can happen to an arbiter, to its
//! connection and to its store, while a fourth one comes and goes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use daybook_domain::Request;
use daybook_stack::Unit;
use daybook_tests::judge::gather::standing;
use daybook_tests::judge::somebody_was_fenced;
use daybook_tests::proxy::{Fault, Sprung};
use daybook_tests::requests::{Asker, contended};
use daybook_tests::seed::{generator, seed};
use daybook_tests::wait::{not_yet, wait_until};
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use crate::arbiters::{Arbiters, MEMBERS, Member, PATIENCE, arbiters, blocking, freeze};
use crate::instance::{note, soak};

const RESOURCES: usize = 40;
/// Requests, and how often the whole sequence of faults runs while they are decided.
const SHORT: (usize, usize) = (4_000, 1);
/// The same, where there is time (`make soak`).
const LONG: (usize, usize) = (50_000, 10);
/// How many requests are on their way at the most while a fault has not fallen yet.
const ROUND: usize = 20;
/// How far back the store is put.
const BACK: Duration = Duration::from_secs(10);
/// How long the fourth arbiter stays.
const STAY: Duration = Duration::from_secs(2);

/// What is done, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// SIGKILL.
    Kill(usize),
    /// SIGSTOP until all its partitions are somebody else's, then SIGCONT.
    Freeze(usize),
    /// The same, inside its n-th transaction, with the fence up.
    FreezeInTransaction(usize, u32),
    /// The same, between its n-th commit and the publication.
    FreezeAfterCommit(usize, u32),
    /// Its connection is cut when `COMMIT` has left it and reached nobody.
    LoseCommit(usize, u32),
    /// Its connection is cut right after `COMMIT` was sent.
    CutAtCommit(usize, u32),
    /// Its connection is cut when the server has committed and the answer is on its way.
    LoseAnswer(usize, u32),
    /// PostgreSQL is restarted in order.
    Restart,
    /// PostgreSQL is killed and started.
    Crash,
    /// PostgreSQL is copied.
    Copy,
    /// PostgreSQL is put back to that copy, under the living arbiters.
    PutBack,
}

#[test]
fn contended_requests_are_decided_once_and_never_overlap_whatever_happens_to_three_arbiters_and_their_store()
-> Result<()> {
    arbiters(async |it| {
        let (count, rounds) = if soak() { LONG } else { SHORT };
        let seed = seed("the contention");
        let steps = schedule(&mut generator(seed, 0), rounds);
        let requests = contended(seed, RESOURCES, count);
        let asker = Asker::new(&it.world).await?;
        let (began, fenced_before) = (Instant::now(), it.fenced()?);

        let over = AtomicBool::new(false);
        let campaign = async {
            let lost = Campaign::new(it, asker, requests, steps.len()).run(&steps).await;
            over.store(true, Ordering::SeqCst);
            lost
        };
        let flow = async {
            let (lost, came) = futures::join!(campaign, come_and_go(it, &over));
            Ok((lost?, came?))
        };
        let ((lost, came), started) = it.kept_alive(flow).await?;
        let flowed = began.elapsed();

        let (_, summary) = it.judge().await?;
        let fenced = it.fenced()? - fenced_before;
        let idle = somebody_was_fenced(fenced);
        ensure!(idle.is_empty(), "{}", idle.join("; "));
        ensure!(lost > 0, "no decision was lost with the store that was put back");
        ensure!(came > 0, "the fourth arbiter never came");
        for outcome in ["confirmed", "rejected(conflict)", "rescheduled", "held", "expired", "moved"] {
            ensure!(summary.of_outcome(outcome) > 0, "nothing was ever {outcome}: {summary:?}");
        }
        note(&format!(
            "{count} contended requests under {} faults over {:.0} s, judged after {:.0} s; a fourth arbiter came and went \
             {came} times, {started} processes were started again; {fenced} fences hit, {lost} decisions lost and decided \
             again; {summary:?}",
            steps.len(),
            flowed.as_secs_f64(),
            began.elapsed().as_secs_f64(),
        ));
        Ok(())
    })
}

/// Every kind of fault in an order of its own, as often as `rounds` says; in each round the store is copied early and put
/// back late.
fn schedule(random: &mut StdRng, rounds: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    for _ in 0..rounds {
        let mut who = || random.random_range(0..MEMBERS);
        let (a, b, c, d, e, f, g) = (who(), who(), who(), who(), who(), who(), who());
        let mut nth = || random.random_range(1..4);
        let mut round = vec![
            Step::Kill(a),
            Step::Freeze(b),
            Step::FreezeInTransaction(c, nth()),
            Step::FreezeAfterCommit(d, nth()),
            Step::LoseCommit(e, nth()),
            Step::CutAtCommit(f, nth()),
            Step::LoseAnswer(g, nth()),
            Step::Restart,
            Step::Crash,
        ];
        round.shuffle(random);
        let early = random.random_range(0..4);
        round.insert(early, Step::Copy);
        let late = random.random_range(early + 4..=round.len());
        round.insert(late, Step::PutBack);
        steps.extend(round);
    }
    steps
}

struct Campaign<'a> {
    it: &'a Arbiters,
    asker: Asker,
    requests: std::vec::IntoIter<Request>,
    /// Requests in each step.
    share: usize,
    /// The last offset sent to each partition.
    sent: BTreeMap<i32, i64>,
    /// When the store was copied, and the `seq`s of then.
    copied: Option<(Instant, i64)>,
    lost: i64,
}

impl<'a> Campaign<'a> {
    fn new(it: &'a Arbiters, asker: Asker, requests: Vec<Request>, steps: usize) -> Self {
        let share = requests.len() / (steps + 1);
        Self { it, asker, requests: requests.into_iter(), share, sent: BTreeMap::new(), copied: None, lost: 0 }
    }

    /// How many decisions were lost with the stores that were put back.
    async fn run(mut self, steps: &[Step]) -> Result<i64> {
        for (number, step) in steps.iter().enumerate() {
            let began = Instant::now();
            self.step(*step).await.with_context(|| format!("step {number}, {step:?}"))?;
            note(&format!("step {number}, {step:?}, took {:.1} s", began.elapsed().as_secs_f64()));
        }
        self.send(usize::MAX).await?;
        self.decided().await?;
        Ok(self.lost)
    }

    async fn step(&mut self, step: Step) -> Result<()> {
        let postgres = self.it.postgres();
        match step {
            Step::Kill(who) => {
                let member = &self.it.members[who];
                self.it.at_work(member).await?;
                let half = self.send(self.share / 2).await?;
                // Whoever watches it starts it again.
                blocking(&member.unit, Unit::kill9).await?;
                self.send(self.share - half).await.map(drop)
            }
            Step::Freeze(who) => {
                let member = &self.it.members[who];
                self.it.at_work(member).await?;
                let half = self.send(self.share / 2).await?;
                blocking(&member.unit, Unit::pause).await?;
                self.send(self.share - half).await?;
                self.it.taken_over(member.unit.pid()).await?;
                blocking(&member.unit, Unit::resume).await
            }
            Step::FreezeInTransaction(who, nth) => {
                let before = self.it.fenced()?;
                self.frozen(who, nth, Fault::InTransaction).await?;
                wait_until("the thawed arbiter to be fenced", PATIENCE, async || {
                    not_yet(self.it.fenced()? > before, || "it is not".to_owned())
                })
                .await
            }
            Step::FreezeAfterCommit(who, nth) => self.frozen(who, nth, Fault::AfterCommit).await,
            Step::LoseCommit(who, nth) => self.cut(who, nth, Fault::LoseCommit).await,
            Step::CutAtCommit(who, nth) => self.cut(who, nth, Fault::CutAtCommit).await,
            Step::LoseAnswer(who, nth) => self.cut(who, nth, Fault::LoseAnswer).await,
            Step::Restart => {
                let half = self.send(self.share / 2).await?;
                blocking(&postgres, Unit::stop).await?;
                self.send(self.share - half).await?;
                blocking(&postgres, Unit::start_ready).await
            }
            Step::Crash => {
                let half = self.send(self.share / 2).await?;
                blocking(&postgres, Unit::kill9).await?;
                self.send(self.share - half).await?;
                blocking(&postgres, Unit::start_ready).await
            }
            Step::Copy => {
                blocking(&postgres, |unit| unit.stop().and_then(|()| unit.keep("earlier"))).await?;
                blocking(&postgres, Unit::start_ready).await?;
                // Of a moment after the copy: not one too many is counted as lost.
                self.copied = Some((Instant::now(), self.seqs().await?));
                self.send(self.share).await.map(drop)
            }
            Step::PutBack => {
                self.send(self.share).await?;
                self.decided().await?;
                let (at, seqs) = self.copied.take().context("there is a copy")?;
                wait_until("the copy to be old enough", 2 * BACK, async || {
                    not_yet(at.elapsed() >= BACK, || format!("it is {:.1} s old", at.elapsed().as_secs_f64()))
                })
                .await?;
                self.lost += self.seqs().await? - seqs;
                blocking(&postgres, |unit| unit.kill9().and_then(|()| unit.put_back("earlier"))).await?;
                blocking(&postgres, Unit::start_ready).await?;
                self.decided().await
            }
        }
    }

    /// Freezes an arbiter at a moment of a transaction, and thaws it when nothing is its own any more.
    async fn frozen(&mut self, who: usize, nth: u32, fault: fn(daybook_tests::proxy::Deed) -> Fault) -> Result<()> {
        let member = &self.it.members[who];
        self.it.at_work(member).await?;
        let (deed, failure) = freeze(&member.unit);
        let sprung = member.proxy.arm(nth, fault(deed));
        self.send_until(&sprung, member).await?;
        let failure = failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(failure) = failure {
            return Err(failure.into());
        }
        self.it.taken_over(member.unit.pid()).await?;
        blocking(&member.unit, Unit::resume).await
    }

    async fn cut(&mut self, who: usize, nth: u32, fault: Fault) -> Result<()> {
        let member = &self.it.members[who];
        self.it.at_work(member).await?;
        let sprung = member.proxy.arm(nth, fault);
        self.send_until(&sprung, member).await
    }

    /// Sends a step's share, a little at a time until the fault has fallen.
    async fn send_until(&mut self, sprung: &Sprung, member: &Member) -> Result<()> {
        let mut left = self.share;
        while !sprung.is_so() {
            ensure!(left > 0, "{} requests, and no transaction of {} met it", self.share, member.unit.part());
            left -= self.send(left.min(ROUND)).await?.max(1);
            wait_until("the fault to fall", PATIENCE, async || {
                if sprung.is_so() { Ok(()) } else { self.it.is_decided(&self.sent).await }
            })
            .await?;
        }
        self.send(left).await.map(drop)
    }

    /// Sends the next requests; how many.
    async fn send(&mut self, count: usize) -> Result<usize> {
        let next: Vec<Request> = self.requests.by_ref().take(count).collect();
        for receipt in self.asker.ask(&next).await? {
            let offset = self.sent.entry(receipt.partition).or_insert(receipt.offset);
            *offset = receipt.offset.max(*offset);
        }
        Ok(next.len())
    }

    async fn decided(&self) -> Result<()> {
        wait_until("everything sent to be decided", PATIENCE, async || self.it.is_decided(&self.sent).await).await
    }

    async fn seqs(&self) -> Result<i64> {
        Ok(standing(&self.it.world).await?.values().map(|(_, next)| next - 1).sum())
    }
}

/// Lets a fourth arbiter come and go, which gives the partitions another order twice every few seconds. How often it came.
async fn come_and_go(it: &Arbiters, over: &AtomicBool) -> Result<usize> {
    let fourth = &it.members[MEMBERS].unit;
    let mut times = 0;
    while !over.load(Ordering::SeqCst) {
        blocking(fourth, Unit::start_ready).await.context("the fourth arbiter")?;
        let (came, pid) = (Instant::now(), fourth.pid());
        wait_until("the fourth arbiter to have stayed a while", PATIENCE, async || {
            not_yet(came.elapsed() >= STAY || over.load(Ordering::SeqCst), || "it has just come".to_owned())
        })
        .await?;
        blocking(fourth, Unit::stop).await.context("the fourth arbiter")?;
        it.taken_over(pid).await?;
        times += 1;
    }
    Ok(times)
}

#[test]
fn the_faults_of_a_seed_are_the_same_every_time_and_the_store_is_copied_before_it_is_put_back() {
    assert_eq!(schedule(&mut generator(7, 0), 2), schedule(&mut generator(7, 0), 2));
    assert_ne!(schedule(&mut generator(7, 0), 2), schedule(&mut generator(8, 0), 2));
    for seed in 0..50 {
        let steps = schedule(&mut generator(seed, 0), 1);
        let at = |step| steps.iter().position(|other| *other == step).expect("it is there");
        assert!(at(Step::Copy) + 4 <= at(Step::PutBack), "{steps:?}");
        assert_eq!(steps.len(), 11);
    }
}
