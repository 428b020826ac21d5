//! People: their addresses read, their pseudonyms derived.
//!
//! Owns: "one person, one contact id", however the address was typed, where it is known in which country; and that nobody without the key can go back from
//! a contact id or a content digest to an address, not even by trying all of them.

use daybook_ask::Region;
use daybook_domain::{Attendee, ContactId, Content, ContentDigest};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::draft::{Address, Person, Shown};
use crate::json::Node;
use crate::reject::{Fault, RejectReason};

/// As long as the hash: a shorter key would be its weakest part.
const KEY_LENGTH_MIN: usize = 32;
/// Why bytes are not a contact key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is shorter than 32 bytes; draw 32 random ones and keep them: another key makes other people of everybody")]
pub struct ContactKeyError;

/// The key of the pseudonyms. Its `Debug` shows nothing.
#[derive(Clone)]
pub struct ContactKey(Vec<u8>);

impl std::fmt::Debug for ContactKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ContactKey(…)")
    }
}

impl ContactKey {
    /// From at least 32 bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, ContactKeyError> {
        if bytes.len() < KEY_LENGTH_MIN { Err(ContactKeyError) } else { Ok(Self(bytes.to_vec())) }
    }

    /// The first 16 bytes of the HMAC-SHA256 of the parts. Each use has its own prefix.
    fn derive(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        for part in parts {
            mac.update(part);
        }
        let code = mac.finalize().into_bytes();
        let mut first = [0; 16];
        first.copy_from_slice(&code[..16]);
        first
    }

    /// `region` is that of the resource, as whose a phone number is read that says no country.
    fn attendee(&self, person: &Person, region: Option<Region>) -> Attendee {
        let kept = |phone: &str| region.and_then(|region| region.e164(phone)).unwrap_or_else(|| phone.to_owned());
        let (code, email, phone) = match &person.address {
            Address::Email { email, phone } => {
                (self.derive(&[b"email:", email.as_bytes()]), Some(email.clone()), phone.as_deref().map(kept))
            }
            Address::Phone(phone) => {
                let phone = kept(phone);
                (self.derive(&[b"phone:", dialled(&phone).as_bytes()]), None, Some(phone))
            }
        };
        Attendee { contact_id: ContactId::from_bytes(code), name: person.name.clone(), email, phone }
    }

    /// What people see, with those of its people who attend. A person who is named twice attends once, as named first.
    pub(crate) fn content(&self, shown: &Shown, region: Option<Region>, attends: impl Fn(&Person) -> bool) -> Content {
        let mut attendees: Vec<Attendee> = Vec::with_capacity(shown.people.len());
        let attending = shown.people.iter().filter(|person| attends(person));
        for attendee in attending.map(|person| self.attendee(person, region)) {
            if !attendees.iter().any(|known| known.contact_id == attendee.contact_id) {
                attendees.push(attendee);
            }
        }
        let digest = self.digest(shown.title.as_deref(), &attendees, shown.time_zone.as_deref());
        Content { title: shown.title.clone(), attendees, source_time_zone: shown.time_zone.clone(), digest }
    }

    /// The pseudonyms of those of `people` who attend, sorted and without repeats: nothing else is kept of them.
    pub(crate) fn contacts(
        &self,
        people: &[Person],
        region: Option<Region>,
        attends: impl Fn(&Person) -> bool,
    ) -> Vec<ContactId> {
        let attending = people.iter().filter(|person| attends(person));
        let mut contacts: Vec<_> = attending.map(|person| self.attendee(person, region).contact_id).collect();
        contacts.sort();
        contacts.dedup();
        contacts
    }

    fn digest(&self, title: Option<&str>, attendees: &[Attendee], zone: Option<&str>) -> ContentDigest {
        let mut bytes = Vec::with_capacity(256);
        put(&mut bytes, title);
        bytes.extend_from_slice(&(attendees.len() as u64).to_be_bytes());
        for attendee in attendees {
            put(&mut bytes, attendee.name.as_deref());
            put(&mut bytes, attendee.email.as_deref());
            put(&mut bytes, attendee.phone.as_deref());
        }
        put(&mut bytes, zone);
        ContentDigest(self.derive(&[b"content:", &bytes]))
    }
}

/// Length-prefixed, and absent is not empty: no two contents make the same bytes.
fn put(bytes: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => {
            bytes.push(1);
            bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        None => bytes.push(0),
    }
}

/// An e-mail address, trimmed and in lower case.
pub(crate) fn email(node: &Node<'_>) -> Result<String, Fault> {
    let problem = "is not an e-mail address, such as name@host";
    daybook_ask::email(node.text()?).ok_or_else(|| node.fault(RejectReason::InvalidValue, problem))
}

/// A phone number: by E.164 where it says its country, else as it is, without blanks.
pub(crate) fn phone(node: &Node<'_>) -> Result<String, Fault> {
    let problem = "is not a phone number; write 5 to 20 digits, such as +15550100";
    daybook_ask::phone(node.text()?).ok_or_else(|| node.fault(RejectReason::InvalidValue, problem))
}

/// What is dialled: the digits, and the plus before them. Two spellings of one number are one person.
fn dialled(phone: &str) -> String {
    phone.chars().filter(|character| character.is_ascii_digit() || *character == '+').collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn key(byte: u8) -> ContactKey {
        ContactKey::new(&[byte; 32]).expect("32 bytes")
    }

    fn read(text: &str, read: impl Fn(&Node<'_>) -> Result<String, Fault>) -> Option<String> {
        read(&Node::root(&Value::String(text.to_owned()))).ok()
    }

    fn by_email(text: &str) -> Person {
        let email = read(text, email).expect("an address");
        Person { name: None, address: Address::Email { email, phone: None } }
    }

    fn by_phone(text: &str) -> Person {
        Person { name: None, address: Address::Phone(read(text, phone).expect("a number")) }
    }

    fn shown(title: Option<&str>, people: Vec<Person>, zone: Option<&str>) -> Shown {
        Shown { title: title.map(str::to_owned), people, time_zone: zone.map(str::to_owned) }
    }

    const fn everybody(_: &Person) -> bool {
        true
    }

    #[test]
    fn one_address_is_one_person_however_it_was_typed() {
        let id = |person: &Person| key(1).attendee(person, None).contact_id;
        assert_eq!(id(&by_email(" Jane.Doe@Example.COM ")), id(&by_email("jane.doe@example.com")));
        assert_eq!(id(&by_phone("+1 (555) 010-0199")), id(&by_phone("+15550100199")));
        assert_ne!(id(&by_phone("15550100199")), id(&by_phone("+15550100199")));
        assert_ne!(
            key(1).attendee(&by_email("a@b"), None).contact_id,
            key(2).attendee(&by_email("a@b"), None).contact_id
        );
    }

    #[test]
    fn a_number_without_its_country_is_one_person_with_the_same_number_in_the_resources_region() {
        let of = |text, code: Option<&str>| {
            let region = code.map(|code| code.parse().expect("a region"));
            let Attendee { contact_id, phone, .. } = key(1).attendee(&by_phone(text), region);
            (contact_id, phone.expect("a number"))
        };
        let whole = of("+49 30 5550100", None);
        assert_eq!(whole.1, "+49305550100");
        for text in ["030 5550100", "(030) 555-0100", "0049 30 5550100", "+49 (0) 30 5550100"] {
            assert_eq!(of(text, Some("DE")), whole, "{text}");
        }
        // In another country it is another number; in none that is told, and where it is none, it is what was typed.
        assert_ne!(of("030 5550100", Some("CH")), whole);
        for (text, code) in [("030 5550100", None), ("030 5550100", Some("US")), ("5550100", Some("DE"))] {
            assert_eq!(of(text, code), (of(text, None).0, text.replace(' ', "")), "{text}");
        }
    }

    #[test]
    fn the_number_of_somebody_with_an_address_is_kept_by_e164_too_and_the_digest_is_of_that() {
        let jane = |phone: &str| {
            let address = Address::Email { email: "jane@example.com".to_owned(), phone: Some(phone.to_owned()) };
            let shown = shown(None, vec![Person { name: None, address }], None);
            key(1).content(&shown, Some("DE".parse().expect("a region")), everybody)
        };
        assert_eq!(jane("030-5550100"), jane("+49305550100"));
        assert_ne!(jane("5550100").digest, jane("+49305550100").digest);
    }

    #[test]
    fn a_contact_id_is_pinned_for_ever() {
        // printf 'email:jane.doe@example.com' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0101…01
        let id = key(1).attendee(&by_email("jane.doe@example.com"), None).contact_id;
        assert_eq!(id.as_str(), "cffd93fb19719173663304c18bf25d5f");
    }

    #[test]
    fn a_content_digest_tells_every_field_apart_and_repeats_for_equal_content() {
        let digest = |shown: &Shown| key(1).content(shown, None, everybody).digest;
        let jane = || vec![by_email("jane@example.com")];
        let base = shown(Some("Intro"), jane(), Some("Europe/Berlin"));
        assert_eq!(digest(&base), digest(&shown(Some("Intro"), jane(), Some("Europe/Berlin"))));
        let others = [
            shown(None, jane(), Some("Europe/Berlin")),
            shown(Some(""), jane(), Some("Europe/Berlin")),
            shown(Some("Intro"), vec![], Some("Europe/Berlin")),
            shown(Some("Intro"), jane(), None),
            shown(Some("IntroE"), jane(), Some("urope/Berlin")),
        ];
        for (at, other) in others.iter().enumerate() {
            assert_ne!(digest(&base), digest(other), "{at}");
            assert_ne!(key(2).content(other, None, everybody).digest, digest(other), "{at}");
        }
    }

    #[test]
    fn a_person_who_is_named_twice_attends_once() {
        let people = || vec![by_email("d@b.c"), by_email("a@b.c"), by_email("A@b.c")];
        let content = key(1).content(&shown(None, people(), None), None, everybody);
        assert_eq!(content.attendees.len(), 2);
        assert_eq!(key(1).contacts(&people(), None, everybody), content.contacts());
    }

    #[test]
    fn whoever_does_not_attend_leaves_no_trace() {
        let jane = |person: &Person| person.email() != Some("room7@example.com");
        let both = vec![by_email("jane@example.com"), by_email("room7@example.com")];
        let contacts = key(1).contacts(&both, None, jane);
        let content = key(1).content(&shown(None, both, None), None, jane);
        let alone = shown(None, vec![by_email("jane@example.com")], None);
        assert_eq!(content, key(1).content(&alone, None, everybody));
        assert_eq!(contacts, content.contacts());
    }

    #[test]
    fn a_key_is_long_enough_and_never_shows() {
        assert_eq!(ContactKey::new(&[0; 31]).err(), Some(ContactKeyError));
        assert_eq!(format!("{:?}", key(7)), "ContactKey(…)");
    }
}
