//! "Did you mean": the known word that is nearest to an unknown one.

/// The nearest of `known`, if it is near enough to be what was meant: at most a third of it is different.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let rated = known.into_iter().map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate));
    let (distance, candidate) = rated.min_by_key(|(distance, _)| *distance)?;
    (distance <= candidate.chars().count().max(3) / 3).then_some(candidate)
}

/// `; did you mean x?`, or nothing.
pub fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map_or_else(String::new, |near| format!("; did you mean {near}?"))
}

/// Levenshtein's distance: single characters put in, taken out or exchanged.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let exchanged = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = exchanged.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        assert_eq!(nearest("time_zon", ["id", "time_zone", "aliases"]), Some("time_zone"));
        assert_eq!(nearest("europe/berln", ["Europe/Berlin", "Europe/Dublin"]), Some("Europe/Berlin"));
        assert_eq!(nearest("capacity", ["id", "time_zone", "aliases"]), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
