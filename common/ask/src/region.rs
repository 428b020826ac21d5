//! What a phone number means in one country, by libphonenumber's tables.
//!
//! Owns: "never guessed". A number is taken as the country's only if it is one by its tables and was typed as it is dialled
//! there. What has not the prefix that the country needs within itself may be a number of the same town, or of another country
//! that forgot its plus; it is left alone, where libphonenumber would take it.
//!
//! Of the crate only the tables are used. Its own reading takes the prefix away twice, so that Kazan's 8 843 loses both eights.

use std::fmt;
use std::str::FromStr;

use phonenumber::metadata::{DATABASE, Descriptors};
use phonenumber::{Metadata, country};

use crate::address::AT_HOME;

/// How libphonenumber's rules for writing a number say that the prefix belongs there.
const PREFIX: &str = "$NP";
/// The code of a country has so many digits.
const CODE_DIGITS_MAX: usize = 3;
/// The one abbreviation that people take for a code of ISO 3166-1 and that is none.
const ALSO: (&str, &str) = ("UK", "GB");

/// A country, by its code of ISO 3166-1 alpha-2, of which is known how its phone numbers are dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region(country::Id);

/// Why text is no region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegionError {
    /// What may have been meant.
    pub near: Option<Region>,
}

impl fmt::Display for RegionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is no country by its two letters of ISO 3166-1, such as DE")?;
        self.near.map_or(Ok(()), |near| write!(f, "; did you mean {near}?"))
    }
}

impl std::error::Error for RegionError {}

impl FromStr for Region {
    type Err = RegionError;

    fn from_str(text: &str) -> Result<Self, RegionError> {
        of(text).ok_or_else(|| {
            let upper = text.trim().to_uppercase();
            RegionError { near: of(if upper == ALSO.0 { ALSO.1 } else { &upper }) }
        })
    }
}

fn of(code: &str) -> Option<Region> {
    let id: country::Id = code.parse().ok()?;
    DATABASE.by_id(id.as_ref()).map(|_| Region(id))
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Region {
    /// Its two letters, such as `DE`.
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }

    /// By ITU-T E.164, a number as it is dialled in this country, be it to another one; none if it is no such number. One with a
    /// plus says its country itself, and is left to whoever reads that.
    pub fn e164(self, phone: &str) -> Option<String> {
        if phone.starts_with('+') {
            return None;
        }
        let meta = DATABASE.by_id(self.as_str())?;
        let digits = digits(phone);
        let abroad =
            || [&digits, &self::digits(&phone.replacen(AT_HOME, "", 1))].into_iter().find_map(|it| abroad(it, meta));
        let home = |number: &str| exists(meta.country_code(), number);
        abroad()
            .or_else(|| without_prefix(&digits, meta).and_then(|number| home(&number)))
            .or_else(|| home(&digits).filter(|_| !needs_prefix(&digits, meta)))
    }
}

fn digits(phone: &str) -> String {
    phone.chars().filter(char::is_ascii_digit).collect()
}

/// By E.164, a number that there may be by the tables of a country with this code.
fn exists(code: u16, number: &str) -> Option<String> {
    let sharing = DATABASE.by_code(&code)?;
    let e164 = || format!("+{code}{number}");
    sharing.iter().any(|meta| is_of_a_kind(number, meta.descriptors())).then(e164)
}

fn is_of_a_kind(number: &str, kinds: &Descriptors) -> bool {
    let known = [
        kinds.fixed_line(),
        kinds.mobile(),
        kinds.toll_free(),
        kinds.premium_rate(),
        kinds.shared_cost(),
        kinds.personal_number(),
        kinds.voip(),
        kinds.pager(),
        kinds.uan(),
        kinds.voicemail(),
    ];
    kinds.general().is_match(number) && known.into_iter().flatten().any(|kind| kind.is_match(number))
}

/// `0049 30 …`: dialled as one dials other countries from here.
fn abroad(digits: &str, meta: &Metadata) -> Option<String> {
    let prefix = meta.international_prefix()?.find(digits).filter(|prefix| prefix.start() == 0)?;
    let rest = Some(&digits[prefix.end()..]).filter(|rest| !rest.starts_with('0'))?;
    // No code begins as another one does.
    let code = |length: usize| Some((rest.get(..length)?.parse().ok()?, rest.get(length..)?));
    (1..=CODE_DIGITS_MAX).filter_map(code).find_map(|(code, number)| exists(code, number))
}

/// Without what is dialled before it only within the country, and with what is dialled only from abroad.
fn without_prefix(digits: &str, meta: &Metadata) -> Option<String> {
    let Some(prefix) = meta.national_prefix_for_parsing() else {
        return digits.strip_prefix(meta.national_prefix()?).map(str::to_owned);
    };
    let parts = prefix.captures(digits)?;
    let whole = parts.get(0).filter(|whole| whole.start() == 0 && whole.end() > 0)?;
    let has_more = parts.len() > 1 && parts.get(parts.len() - 1).is_some();
    match meta.national_prefix_transform_rule().filter(|_| has_more) {
        Some(rule) => Some(prefix.replace(digits, rule).into_owned()),
        None => Some(digits[whole.end()..].to_owned()),
    }
}

/// Whether such a number is never written without its prefix. Where there is one, a number that no rule is there for needs it.
fn needs_prefix(number: &str, meta: &Metadata) -> bool {
    // How numbers are written is told of one of the countries that share a code.
    let code = meta.country_code();
    let sharing = DATABASE.by_code(&code).unwrap_or_default();
    let main = sharing.iter().find(|meta| meta.is_main_country_for_code()).copied().unwrap_or(meta);
    let format = main.formats().iter().find(|format| {
        let begins = format
            .leading_digits()
            .last()
            .is_none_or(|digits| digits.find(number).is_some_and(|found| found.start() == 0));
        let fits = format.pattern().find(number).is_some_and(|found| found.start() == 0 && found.end() == number.len());
        begins && fits
    });
    match format {
        Some(format) => {
            format.national_prefix().is_some_and(|rule| rule.contains(PREFIX)) && !format.is_national_prefix_optional()
        }
        None => meta.national_prefix().is_some(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn region(code: &str) -> Region {
        code.parse().expect("a region")
    }

    /// Every code that there may be.
    fn all() -> impl Iterator<Item = Region> {
        let pairs = ('A'..='Z').flat_map(|first| ('A'..='Z').map(move |second| format!("{first}{second}")));
        pairs.filter_map(|code| of(&code))
    }

    #[test]
    fn a_number_is_read_as_it_is_dialled_in_its_country() {
        let mut wrong = Vec::new();
        for (code, typed, wanted) in [
            ("DE", "030 5550100", "+49305550100"),
            ("DE", "(030) 555-0100", "+49305550100"),
            ("DE", "0171 5550100", "+491715550100"),
            ("AT", "01 5550100", "+4315550100"),
            ("AT", "0664 5550100", "+436645550100"),
            ("CH", "044 555 01 00", "+41445550100"),
            ("GB", "020 7946 0018", "+442079460018"),
            ("GB", "07400 123456", "+447400123456"),
            ("FR", "01 99 00 12 34", "+33199001234"),
            ("FR", "06.12.34.56.78", "+33612345678"),
            ("NL", "020-5550100", "+31205550100"),
            ("BE", "02 555 01 00", "+3225550100"),
            ("SE", "08-465 004 00", "+46846500400"),
            // Italy's nought is a part of the number, and her mobiles have none.
            ("IT", "06 5550100", "+39065550100"),
            ("IT", "347 5550100", "+393475550100"),
            // Where nothing is dialled before it.
            ("ES", "910 55 01 00", "+34910550100"),
            ("PT", "21 555 0100", "+351215550100"),
            ("DK", "32 55 01 00", "+4532550100"),
            ("NO", "22 55 01 00", "+4722550100"),
            ("PL", "22 555 01 00", "+48225550100"),
            ("US", "(212) 555-0100", "+12125550100"),
            ("US", "1-212-555-0100", "+12125550100"),
            // Countries that share a code.
            ("US", "416 555 0100", "+14165550100"),
            ("CA", "212 555 0100", "+12125550100"),
            ("GB", "07797 712345", "+447797712345"),
            ("KZ", "8 (727) 255-01-00", "+77272550100"),
            // Where the prefix is no nought, and the number may begin as it does.
            ("RU", "8 (843) 255-01-00", "+78432550100"),
            ("RU", "843 255 01 00", "+78432550100"),
            ("RU", "8 800 555 01 00", "+78005550100"),
            ("HU", "06 1 555 0100", "+3615550100"),
            // A prefix that says more than one thing.
            ("AR", "011 15-2345-6789", "+5491123456789"),
            ("BR", "0 21 11 2345-6789", "+551123456789"),
            ("CN", "138 1234 5678", "+8613812345678"),
            ("CN", "010 6552 9988", "+861065529988"),
            ("JP", "03-5555-0100", "+81355550100"),
            ("AU", "0412 345 678", "+61412345678"),
            ("AU", "02 5550 1234", "+61255501234"),
            ("IN", "022 2555 0100", "+912225550100"),
            // To another country.
            ("DE", "0043 1 5550100", "+4315550100"),
            ("DE", "0049 30 5550100", "+49305550100"),
            ("DE", "0049 (0) 30 5550100", "+49305550100"),
            ("US", "011 49 30 5550100", "+49305550100"),
            ("FR", "0039 06 5550100", "+39065550100"),
        ] {
            let read = region(code).e164(typed);
            if read.as_deref() != Some(wanted) {
                wrong.push(format!("{code} {typed}: {read:?}"));
            }
        }
        assert_eq!(wrong, [""; 0]);
    }

    #[test]
    fn what_is_no_number_there_or_not_dialled_so_is_left_alone() {
        for (code, typed) in [
            // Within a town, or of another country without its plus: nobody can tell.
            ("DE", "5550100"),
            ("DE", "15550100199"),
            ("DE", "305550100"),
            ("GB", "79460018"),
            ("FR", "199001234"),
            ("US", "555-0100"),
            ("US", "030 5550100"),
            ("US", "112 555 0100"),
            ("IT", "5550100"),
            ("DE", "000000"),
            ("DE", "00 999 5550100"),
            ("DE", "00 07 8432550100"),
            ("DE", "00"),
            ("DE", "0"),
            ("DE", ""),
            ("DE", "01234567890123456789"),
            ("US", "011"),
            ("US", "011 4"),
            ("DE", "+49 30 5550100"),
            ("DE", "call me"),
        ] {
            assert_eq!(region(code).e164(typed), None, "{code} {typed}");
        }
    }

    #[test]
    fn every_countrys_own_example_reads_as_itself_and_no_other_way() {
        for region in all() {
            let meta = DATABASE.by_id(region.as_str()).expect("a country");
            let kinds = meta.descriptors();
            for example in [kinds.fixed_line(), kinds.mobile()].into_iter().flatten().filter_map(|kind| kind.example())
            {
                let e164 = format!("+{}{example}", meta.country_code());
                let prefix = meta.national_prefix().unwrap_or_default();
                let read = [format!("{prefix}{example}"), example.to_owned()].map(|typed| region.e164(&typed));
                assert!(read.iter().any(Option::is_some), "{region}: nothing is read");
                assert!(read.iter().flatten().all(|read| *read == e164), "{region} {e164}: {read:?}");
            }
        }
    }

    #[test]
    fn a_code_is_two_capital_letters_and_another_is_told_what_it_may_mean() {
        assert_eq!(region("DE").to_string(), "DE");
        assert!(all().count() > 240);
        for (code, told) in [
            ("de", "; did you mean DE?"),
            (" gb ", "; did you mean GB?"),
            ("UK", "; did you mean GB?"),
            ("Germany", ""),
            ("001", ""),
            ("XX", ""),
            ("", ""),
        ] {
            let error = code.parse::<Region>().expect_err("no region").to_string();
            assert_eq!(error, format!("is no country by its two letters of ISO 3166-1, such as DE{told}"), "{code}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_that_is_typed_panics_anywhere_and_what_is_read_has_one_spelling(
            region in prop::sample::select(all().collect::<Vec<_>>()),
            typed in "0?[-0-9().]{0,24}",
        ) {
            if let Some(read) = region.e164(&typed) {
                prop_assert_eq!(crate::phone(&read), Some(read.clone()));
                prop_assert_eq!(region.e164(&read), None);
            }
        }

        #[test]
        fn no_text_at_all_panics(typed in any::<String>()) {
            let _ = (typed.parse::<Region>().is_ok(), region("BR").e164(&typed));
        }
    }
}
