//! Opening hours as people write and read them: `mon-fri`, `09:00-12:00`. Pure.

use chrono::Weekday;
use daybook_domain::Hours;

use crate::nearest::hint;

/// Every day, with the names that a file may use.
const DAYS: [(Weekday, &str, &str); 7] = [
    (Weekday::Mon, "mon", "monday"),
    (Weekday::Tue, "tue", "tuesday"),
    (Weekday::Wed, "wed", "wednesday"),
    (Weekday::Thu, "thu", "thursday"),
    (Weekday::Fri, "fri", "friday"),
    (Weekday::Sat, "sat", "saturday"),
    (Weekday::Sun, "sun", "sunday"),
];
/// One after the last minute of a day.
const MIDNIGHT: u16 = 24 * 60;

/// `mon`, `Monday`, or a range such as `mon-fri`; `fri-mon` goes over the weekend.
pub fn days(text: &str) -> Result<Vec<Weekday>, String> {
    let Some((first, last)) = text.split_once('-') else { return Ok(vec![day(text)?]) };
    let (first, last) = (day(first)?, day(last)?);
    let count = usize::try_from(last.days_since(first)).unwrap_or(0) + 1;
    Ok(std::iter::successors(Some(first), |day| Some(day.succ())).take(count).collect())
}

fn day(text: &str) -> Result<Weekday, String> {
    let name = text.trim().to_lowercase();
    let found = DAYS.iter().find(|(_, short, long)| name == *short || name == *long);
    found.map(|(day, ..)| *day).ok_or_else(|| {
        let known = DAYS.iter().flat_map(|(_, short, long)| [*short, *long]);
        format!(
            "is no day; write mon, tue, wed, thu, fri, sat or sun, or a range such as mon-fri{}",
            hint(&name, known)
        )
    })
}

/// `09:00-12:00`: the first minute, and the one after the last.
pub fn stretch(text: &str) -> Result<(u16, u16), String> {
    let ends = text.split_once('-').and_then(|(from, to)| Some((minute(from.trim())?, minute(to.trim())?)));
    match ends {
        None => {
            Err("is no stretch of a day; write it like 09:00-12:00, in quotes, 24:00 being the end of the day"
                .to_owned())
        }
        Some((from, to)) if from < to => Ok((from, to)),
        Some((from, to)) if from == to => Err("has no length; write it like 09:00-12:00".to_owned()),
        Some((from, to)) => Err(format!(
            "ends before it begins; if it goes over midnight, write {}-24:00 here and 00:00-{} for the day after",
            clock(from),
            clock(to)
        )),
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str, digits: &[usize]| -> Option<u16> {
        let sound = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if sound { text.parse().ok() } else { None }
    };
    let (hours, minutes) = (number(hours, &[1, 2])?, number(minutes, &[2])?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= MIDNIGHT).then_some(minute)
}

/// By day and time, each once: the order in which they are compared, kept and shown.
pub fn sorted(mut hours: Vec<Hours>) -> Vec<Hours> {
    hours.sort_by_key(|hours| (hours.day.num_days_from_monday(), hours.from, hours.to));
    hours.dedup();
    hours
}

/// `mon-fri 09:00-12:00 13:00-17:00, sat 10:00-12:00`; `always` for none. Days that are alike and follow each other are
/// one.
pub fn show(hours: &[Hours]) -> String {
    if hours.is_empty() {
        return "always".to_owned();
    }
    let group = |(days, times): (String, Vec<String>)| format!("{days} {}", times.join(" "));
    stretches(hours).into_iter().map(group).collect::<Vec<_>>().join(", ")
}

/// Days, and when it is open on each of them: `mon-fri`, `09:00-12:00`.
pub type Stretches = Vec<(String, Vec<String>)>;

/// The same taken apart, as a file takes it.
pub fn stretches(hours: &[Hours]) -> Stretches {
    let mut groups: Vec<(&str, &str, Vec<String>)> = Vec::new();
    let mut last_shown = None;
    for (number, (day, name, _)) in DAYS.iter().enumerate() {
        let times = of_day(hours, *day);
        if times.is_empty() {
            continue;
        }
        let follows = number > 0 && last_shown == Some(number - 1);
        match groups.last_mut() {
            Some((_, last, same)) if follows && *same == times => *last = name,
            Some(_) | None => groups.push((name, name, times)),
        }
        last_shown = Some(number);
    }
    let days = |first: &str, last: &str| if first == last { first.to_owned() } else { format!("{first}-{last}") };
    groups.into_iter().map(|(first, last, times)| (days(first, last), times)).collect()
}

/// The stretches of a day.
fn of_day(hours: &[Hours], day: Weekday) -> Vec<String> {
    let of_day = hours.iter().filter(|hours| hours.day == day);
    of_day.map(|hours| format!("{}-{}", clock(hours.from), clock(hours.to))).collect()
}

fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(days: &str, times: &[&str]) -> Vec<Hours> {
        let days = self::days(days).expect("days");
        let times = times.iter().map(|text| stretch(text).expect("a stretch"));
        times.flat_map(|(from, to)| days.iter().map(move |day| Hours { day: *day, from, to })).collect()
    }

    #[test]
    fn a_stretch_may_end_with_the_day_and_not_after_it() {
        assert_eq!(stretch("09:00-12:30"), Ok((540, 750)));
        assert_eq!(stretch("0:00 - 24:00"), Ok((0, 1440)));
        for text in
            ["", "9-17", "09:00", "09:00-24:01", "09:60-10:00", "24:00-24:30", "+9:00-10:00", "09:00-12:00-13:00"]
        {
            assert!(stretch(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_stretch_over_midnight_is_told_how_to_be_two() {
        assert_eq!(
            stretch("22:00-06:00"),
            Err("ends before it begins; if it goes over midnight, write 22:00-24:00 here and 00:00-06:00 for the day after"
                .to_owned())
        );
        assert!(stretch("09:00-09:00").is_err());
    }

    #[test]
    fn days_have_short_and_long_names_and_ranges() {
        assert_eq!(days("mon"), Ok(vec![Weekday::Mon]));
        assert_eq!(days("Tuesday"), Ok(vec![Weekday::Tue]));
        assert_eq!(days("sat-mon"), Ok(vec![Weekday::Sat, Weekday::Sun, Weekday::Mon]));
        assert_eq!(days("mon-sun").map(|days| days.len()), Ok(7));
        assert!(days("mondy").is_err_and(|problem| problem.ends_with("did you mean monday?")));
    }

    #[test]
    fn days_that_are_alike_are_shown_as_one() {
        let week = [of("mon-fri", &["09:00-12:00", "13:00-17:00"]), of("sun", &["10:00-24:00"])].concat();
        assert_eq!(show(&sorted(week)), "mon-fri 09:00-12:00 13:00-17:00, sun 10:00-24:00");
        let gaps = [of("mon", &["09:00-12:00"]), of("wed", &["09:00-12:00"])].concat();
        assert_eq!(show(&gaps), "mon 09:00-12:00, wed 09:00-12:00");
        assert_eq!(show(&[]), "always");
    }

    #[test]
    fn the_same_hours_in_another_order_are_the_same_hours() {
        let there = [of("fri", &["13:00-17:00"]), of("mon", &["09:00-12:00", "09:00-12:00"])].concat();
        let here = [of("mon", &["09:00-12:00"]), of("fri", &["13:00-17:00"])].concat();
        assert_eq!(sorted(there), sorted(here));
    }
}
