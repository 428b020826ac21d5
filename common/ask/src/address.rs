//! People: who attends, and how to reach them. Personal data: nothing here has a `Debug`.

/// RFC 5321 §4.5.3.1: 64 characters before the @ and 255 after.
const EMAIL_LENGTH_MAX: usize = 320;
/// ITU-T E.164 has 15 digits; some more for extensions and prefixes.
const PHONE_DIGITS_MAX: usize = 20;
/// With the code of the country, and without the plus.
const E164_DIGITS_MAX: usize = 15;
/// How many write that a nought is dialled at home and not from abroad.
pub(crate) const AT_HOME: &str = "(0)";
/// The shortest number that a person can be reached at from elsewhere.
const PHONE_DIGITS_MIN: usize = 5;

/// What people see of a booking.
pub struct Shown {
    /// What it is called.
    pub title: Option<String>,
    /// Who attends.
    pub people: Vec<Person>,
    /// An IANA name, for display.
    pub time_zone: Option<String>,
}

/// Somebody who attends.
pub struct Person {
    /// What they are called.
    pub name: Option<String>,
    /// How to reach them.
    pub address: Address,
}

/// How to reach somebody, and so who it is: by e-mail address if there is one, else by phone number.
pub enum Address {
    /// By e-mail.
    Email {
        /// In lower case.
        email: String,
        /// Also there.
        phone: Option<String>,
    },
    /// By phone only.
    Phone(String),
}

impl Address {
    /// Of somebody with these; none of somebody with neither.
    pub fn of(email: Option<String>, phone: Option<String>) -> Option<Self> {
        match (email, phone) {
            (Some(email), phone) => Some(Self::Email { email, phone }),
            (None, phone) => phone.map(Self::Phone),
        }
    }
}

impl Person {
    /// The phone number, where there is one.
    pub fn phone(&self) -> Option<&str> {
        match &self.address {
            Address::Email { phone, .. } => phone.as_deref(),
            Address::Phone(phone) => Some(phone),
        }
    }

    /// Whether they have a phone number that does not say which country it is in.
    pub fn has_national_phone(&self) -> bool {
        self.phone().is_some_and(|phone| !phone.starts_with('+'))
    }

    /// The e-mail address, where there is one.
    pub fn email(&self) -> Option<&str> {
        match &self.address {
            Address::Email { email, .. } => Some(email),
            Address::Phone(_) => None,
        }
    }
}

/// An e-mail address, trimmed and in lower case. Only its shape is judged: whether it exists is not ours to know.
pub fn email(text: &str) -> Option<String> {
    let text = text.trim();
    let plain = text.chars().count() <= EMAIL_LENGTH_MAX
        && !text.chars().any(|character| character.is_whitespace() || character.is_control());
    let (local, domain) = text.rsplit_once('@')?;
    (plain && !local.is_empty() && !domain.is_empty()).then(|| text.to_lowercase())
}

/// A phone number: by ITU-T E.164 if it says which country it is in, so that one number has one spelling. One that does not is
/// left as it was given, without blanks: which country is meant would be a guess until it is known whose time is asked for
/// ([`Region::e164`](crate::Region::e164)).
pub fn phone(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|character| !character.is_whitespace()).collect();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let plain = text.char_indices().all(|(at, character)| {
        character.is_ascii_digit() || "-().".contains(character) || (at == 0 && character == '+')
    });
    (plain && (PHONE_DIGITS_MIN..=PHONE_DIGITS_MAX).contains(&digits)).then(|| e164(&text).unwrap_or(text))
}

/// `+` and up to 15 digits, the first of which is no nought.
fn e164(text: &str) -> Option<String> {
    let abroad = text.strip_prefix('+')?.replacen(AT_HOME, "", 1);
    let digits: String = abroad.chars().filter(char::is_ascii_digit).collect();
    let sound = (PHONE_DIGITS_MIN..=E164_DIGITS_MAX).contains(&digits.len()) && !digits.starts_with('0');
    sound.then(|| format!("+{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "jane", "@example.com", "jane@", "jane doe@example.com", "a\u{0}@b", &"x".repeat(321)] {
            assert_eq!(email(text), None, "{text}");
        }
        for text in ["", "+", "1234", "call me", "1+2345678", "123456789012345678901"] {
            assert_eq!(phone(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_is_taken_however_it_was_typed() {
        assert_eq!(email(" Jane.Doe@Example.COM ").as_deref(), Some("jane.doe@example.com"));
        assert_eq!(phone("+1 (555) 010-0199").as_deref(), Some("+15550100199"));
    }

    #[test]
    fn a_number_that_says_its_country_has_one_spelling_and_another_is_left_as_it_was_given() {
        for text in ["+49 30 5550100", "+49 (0) 30 555-0100", "+49(30)555.0100", "+49305550100"] {
            assert_eq!(phone(text).as_deref(), Some("+49305550100"), "{text}");
        }
        // In Italy the nought is dialled from abroad, too; and nobody's country begins with one.
        assert_eq!(phone("+39 06 5550100").as_deref(), Some("+39065550100"));
        assert_eq!(phone("+0 30 5550100").as_deref(), Some("+0305550100"));
        assert_eq!(phone("(030) 555-0100").as_deref(), Some("(030)555-0100"));
        assert_eq!(phone("+1 234 567 890 123 456").as_deref(), Some("+1234567890123456"));
    }

    #[test]
    fn a_number_that_was_read_reads_as_itself() {
        for text in ["+49 (0) 30 555-0100", "(030) 555-0100", "+0 30 5550100", "+1 (0) (0) 5550100"] {
            let read = phone(text).expect("a number");
            assert_eq!(phone(&read).as_deref(), Some(&*read), "{text}");
        }
    }
}
