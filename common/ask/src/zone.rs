//! Local times become UTC here, and nowhere else.
//!
//! Source: RFC 5545 §3.3.5. A local time that occurs twice (the clock was set back) is its first occurrence; one that
//! does not occur (the clock was set forward) is read with the offset before the gap, and so lies as far behind the
//! gap as it was into it. Only IANA names are zones; an unknown one is never guessed at.

use chrono::{DateTime, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};
use daybook_domain::Timestamp;

/// The zone of an IANA name, deprecated aliases (`Asia/Calcutta`) included.
pub fn zone(name: &str) -> Option<Tz> {
    name.parse().ok()
}

/// A local time without an offset: `YYYY-MM-DDTHH:MM` or `YYYY-MM-DDTHH:MM:SS`, exactly.
pub fn local(text: &str) -> Option<NaiveDateTime> {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    let fits = |(found, wanted): (u8, &u8)| if *wanted == b'0' { found.is_ascii_digit() } else { found == *wanted };
    if !matches!(text.len(), 16 | 19) || !text.bytes().zip(SHAPE).all(fits) {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to).and_then(|digits| digits.parse::<u32>().ok());
    let seconds = if text.len() == 19 { number(17, 19)? } else { 0 };
    let date = NaiveDate::from_ymd_opt(i32::try_from(number(0, 4)?).ok()?, number(5, 7)?, number(8, 10)?)?;
    Some(date.and_time(NaiveTime::from_hms_opt(number(11, 13)?, number(14, 16)?, seconds)?))
}

/// The instant of a local time in a zone; none where its calendar ends.
pub fn instant(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(time) => Some(time.to_utc()),
        MappedLocalTime::Ambiguous(first, second) => Some(first.to_utc().min(second.to_utc())),
        MappedLocalTime::None => {
            let (_, offset) = GapInfo::new(&local, &zone)?.begin?;
            let offset = TimeDelta::seconds(i64::from(offset.fix().local_minus_utc()));
            Some(local.checked_sub_signed(offset)?.and_utc())
        }
    }
}

/// The same as a timestamp; none outside the years 1970 to 9999.
pub fn resolve(local: NaiveDateTime, zone: Tz) -> Option<Timestamp> {
    Timestamp::try_from(instant(local, zone)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str, name: &str) -> String {
        let local = local(text).expect("a local time");
        resolve(local, zone(name).expect("a zone")).expect("in range").to_string()
    }

    #[test]
    fn an_ordinary_local_time_has_its_zones_offset() {
        assert_eq!(utc("2026-07-01T09:00", "America/New_York"), "2026-07-01T13:00:00Z");
        assert_eq!(utc("2026-01-15T09:00:30", "Europe/London"), "2026-01-15T09:00:30Z");
        assert_eq!(utc("2026-07-01T09:00", "Asia/Calcutta"), "2026-07-01T03:30:00Z");
    }

    #[test]
    fn a_time_that_occurs_twice_is_its_first_occurrence() {
        assert_eq!(utc("2026-11-01T01:30", "America/New_York"), "2026-11-01T05:30:00Z");
        assert_eq!(utc("2026-10-25T01:30", "Europe/London"), "2026-10-25T00:30:00Z");
        // Lord Howe sets its clock back by half an hour only: 01:30 to 02:00 occurs twice.
        assert_eq!(utc("2026-04-05T01:45", "Australia/Lord_Howe"), "2026-04-04T14:45:00Z");
    }

    #[test]
    fn a_time_in_a_gap_is_read_with_the_offset_before_it() {
        assert_eq!(utc("2026-03-08T02:30", "America/New_York"), "2026-03-08T07:30:00Z");
        assert_eq!(utc("2026-03-29T01:30", "Europe/London"), "2026-03-29T01:30:00Z");
        assert_eq!(utc("2026-10-04T02:15", "Australia/Lord_Howe"), "2026-10-03T15:45:00Z");
        // Samoa left out a whole day when it crossed the date line.
        assert_eq!(utc("2011-12-30T12:00", "Pacific/Apia"), "2011-12-30T22:00:00Z");
    }

    #[test]
    fn the_edges_of_a_gap_and_a_fold_are_where_they_belong() {
        assert_eq!(utc("2026-03-08T01:59:59", "America/New_York"), "2026-03-08T06:59:59Z");
        assert_eq!(utc("2026-03-08T02:00", "America/New_York"), "2026-03-08T07:00:00Z");
        assert_eq!(utc("2026-03-08T03:00", "America/New_York"), "2026-03-08T07:00:00Z");
        assert_eq!(utc("2026-11-01T01:00", "America/New_York"), "2026-11-01T05:00:00Z");
        assert_eq!(utc("2026-11-01T02:00", "America/New_York"), "2026-11-01T07:00:00Z");
    }

    #[test]
    fn a_zone_is_an_iana_name_and_nothing_else() {
        for name in ["", "EasternTime", "W. Europe Standard Time", "+02:00", "GMT+2", "europe/berlin", "Europe/Berlin "]
        {
            assert!(zone(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_local_time_has_exactly_the_documented_shape() {
        for text in [
            "2026-03-04",
            "2026-03-04 09:00",
            "2026-3-4T09:00",
            "2026-03-04T9:00",
            "2026-03-04T24:00",
            "2026-03-04T09:60",
            "2026-03-04T09:00:60",
            "2026-02-30T09:00",
            "2026-03-04T09:00Z",
            "2026-03-04T09:00:00.5",
            "+026-03-04T09:00",
            "2026-03-04T09:0٣",
        ] {
            assert!(local(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_local_time_before_1970_is_out_of_range() {
        let early = local("1969-12-31T12:00").expect("a local time");
        assert_eq!(resolve(early, Tz::UTC), None);
    }
}
