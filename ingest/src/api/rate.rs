//! How fast a key may ask: so many requests a second, and so many at the same moment (GCRA).
//!
//! Every answer says where its key stands, in the fields of the IETF's draft (draft-ietf-httpapi-ratelimit-headers-10):
//! `RateLimit-Policy: "key";q=200;w=4` (200 requests in 4 s) and `RateLimit: "key";r=150;t=1` (150 are left; in a second
//! all are there again). A limit holds for one process: behind two, a key may ask twice as often.

use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STANDING: HeaderName = HeaderName::from_static("ratelimit");

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Requests a second.
    pub per_second: NonZeroU32,
    /// How many of them at the same moment.
    pub burst: NonZeroU32,
}

/// What a key has done of it lately.
#[derive(Debug)]
pub struct Rate {
    pace: Pace,
    limiter: RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>,
}

/// Where a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pace: Pace,
    remaining: u32,
    /// None if the request was taken.
    wait: Option<Duration>,
}

impl Rate {
    /// Of a key that has asked nothing yet.
    pub fn new(pace: Pace) -> Self {
        let quota = Quota::per_second(pace.per_second).allow_burst(pace.burst);
        Self { pace, limiter: RateLimiter::direct(quota).with_middleware() }
    }

    /// What the key may do.
    pub const fn pace(&self) -> Pace {
        self.pace
    }

    /// One request more.
    pub fn ask(&self) -> Standing {
        let (remaining, wait) = match self.limiter.check() {
            Ok(state) => (state.remaining_burst_capacity(), None),
            Err(until) => (0, Some(until.wait_time_from(self.limiter.clock().now()))),
        };
        Standing { pace: self.pace, remaining, wait }
    }
}

impl Standing {
    /// How many seconds a request that was not taken should wait.
    pub fn retry_after(&self) -> Option<u64> {
        self.wait.map(|wait| seconds(wait).max(1))
    }

    /// Says it to the caller.
    pub fn tell(&self, headers: &mut HeaderMap) {
        let burst = self.pace.burst.get();
        let policy = format!("\"key\";q={burst};w={}", self.refill(burst));
        let standing = format!("\"key\";r={};t={}", self.remaining, self.refill(burst.saturating_sub(self.remaining)));
        for (name, value) in [(POLICY, policy), (STANDING, standing)] {
            // Digits and letters only.
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
    }

    /// The seconds in which so many requests are there again.
    fn refill(&self, requests: u32) -> u64 {
        u64::from(requests).div_ceil(u64::from(self.pace.per_second.get()))
    }
}

fn seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(per_second: u32, burst: u32) -> Rate {
        let number = |number| NonZeroU32::new(number).expect("above zero");
        Rate::new(Pace { per_second: number(per_second), burst: number(burst) })
    }

    fn told(standing: Standing) -> [String; 2] {
        let mut headers = HeaderMap::new();
        standing.tell(&mut headers);
        [POLICY, STANDING].map(|name| headers[name].to_str().expect("text").to_owned())
    }

    #[test]
    fn a_burst_is_taken_and_the_next_one_is_told_when_to_come_again() {
        // Slow enough that none comes back while this runs.
        let rate = rate(1, 3);
        let standings: Vec<Standing> = (0..4).map(|_| rate.ask()).collect();
        let remaining: Vec<u32> = standings.iter().map(|standing| standing.remaining).collect();
        assert_eq!(remaining, [2, 1, 0, 0]);
        let waits: Vec<Option<u64>> = standings.iter().map(Standing::retry_after).collect();
        assert_eq!(waits, [None, None, None, Some(1)]);
    }

    #[test]
    fn every_answer_says_what_the_key_may_do_and_what_is_left_of_it() {
        let rate = rate(50, 200);
        assert_eq!(told(rate.ask()), ["\"key\";q=200;w=4", "\"key\";r=199;t=1"]);
    }
}
