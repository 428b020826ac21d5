//! "Did you mean": the known word that is nearest to an unknown one, as the end of a sentence.

use daybook_ask::nearest;

/// `; did you mean x?`, or nothing.
pub fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map_or_else(String::new, |near| format!("; did you mean {near}?"))
}
