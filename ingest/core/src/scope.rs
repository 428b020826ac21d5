//! What the holder of a key may do. A key has a list of scopes; what none of them allows, it may not.
//!
//! | scope | allows |
//! |---|---|
//! | `request:<resources>` | asking for these resources' time, and seeing where they are free |
//! | `read:<resources>` | reading these resources' bookings with all that is in them, and who has their time |
//! | `source:<name>` | following that source's events, and replaying its dead letters |
//! | `admin` | all of that for everything, and changing resources |
//!
//! `<resources>` is a resource's id, the beginning of ids with a `*` behind it, or `*` for all.

use std::fmt;
use std::str::FromStr;

use daybook_domain::{ResourceId, SourceName};

/// Which resources a scope is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resources {
    /// Every one, also those to come.
    All,
    /// Those whose ids begin so.
    Beginning(String),
    /// This one.
    One(ResourceId),
}

impl Resources {
    fn include(&self, resource: &ResourceId) -> bool {
        match self {
            Self::All => true,
            Self::Beginning(beginning) => resource.as_str().starts_with(beginning),
            Self::One(one) => one == resource,
        }
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Beginning(beginning) => write!(f, "{beginning}*"),
            Self::One(one) => one.fmt(f),
        }
    }
}

/// One thing that a key allows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everything.
    Admin,
    /// Asking for time.
    Request(Resources),
    /// Reading bookings.
    Read(Resources),
    /// Following a source's events.
    Source(SourceName),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admin => f.write_str("admin"),
            Self::Request(resources) => write!(f, "request:{resources}"),
            Self::Read(resources) => write!(f, "read:{resources}"),
            Self::Source(source) => write!(f, "source:{source}"),
        }
    }
}

/// Why a text is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Not one of the four words.
    #[error("is no scope; known: admin, request:RESOURCES, read:RESOURCES, source:NAME")]
    Unknown,
    /// The resources or the source behind the word are missing or wrong.
    #[error("{word}: what stands behind it {problem}")]
    Name {
        /// The word before it.
        word: &'static str,
        /// What is wrong.
        problem: daybook_domain::SlugError,
    },
}

impl FromStr for Scope {
    type Err = ScopeError;
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if text == "admin" {
            return Ok(Self::Admin);
        }
        match text.split_once(':').ok_or(ScopeError::Unknown)? {
            ("request", resources) => read(resources, "request").map(Self::Request),
            ("read", resources) => read(resources, "read").map(Self::Read),
            ("source", name) => {
                name.parse().map(Self::Source).map_err(|problem| ScopeError::Name { word: "source", problem })
            }
            _ => Err(ScopeError::Unknown),
        }
    }
}

fn read(text: &str, word: &'static str) -> Result<Resources, ScopeError> {
    let name = |text: &str| text.parse::<ResourceId>().map_err(|problem| ScopeError::Name { word, problem });
    match text.strip_suffix('*') {
        Some("") => Ok(Resources::All),
        // What an id may begin with is itself a good id.
        Some(beginning) => name(beginning).map(|beginning| Resources::Beginning(beginning.as_str().to_owned())),
        None => name(text).map(Resources::One),
    }
}

/// Everything that a key allows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// These; a repetition counts once.
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Self {
        let mut scopes: Vec<Scope> = scopes.into_iter().collect();
        scopes.sort();
        scopes.dedup();
        Self(scopes)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// Whether it may do everything.
    pub fn is_admin(&self) -> bool {
        self.0.contains(&Scope::Admin)
    }

    /// Whether it may ask for this resource's time.
    pub fn may_request(&self, resource: &ResourceId) -> bool {
        self.any(|scope| matches!(scope, Scope::Request(resources) if resources.include(resource)))
    }

    /// Whether it may read this resource's bookings, people included.
    pub fn may_read(&self, resource: &ResourceId) -> bool {
        self.any(|scope| matches!(scope, Scope::Read(resources) if resources.include(resource)))
    }

    /// Whether it may see where this resource is free: whoever may ask for its time, or read it.
    pub fn may_see_times(&self, resource: &ResourceId) -> bool {
        self.may_request(resource) || self.may_read(resource)
    }

    /// Whether it may follow this source's events.
    pub fn speaks_for(&self, source: &SourceName) -> bool {
        self.any(|scope| matches!(scope, Scope::Source(name) if name == source))
    }

    /// The resources that it may read: what `may_read` says, for a query.
    pub fn readable(&self) -> Vec<Resources> {
        let all = self.is_admin().then_some(Resources::All);
        let read = self.0.iter().filter_map(|scope| match scope {
            Scope::Read(resources) => Some(resources.clone()),
            Scope::Admin | Scope::Request(_) | Scope::Source(_) => None,
        });
        all.into_iter().chain(read).collect()
    }

    /// The resources that it may see: what `may_see_times` says, for a query.
    pub fn visible(&self) -> Vec<Resources> {
        let all = self.is_admin().then_some(Resources::All);
        let seen = self.0.iter().filter_map(|scope| match scope {
            Scope::Read(resources) | Scope::Request(resources) => Some(resources.clone()),
            Scope::Admin | Scope::Source(_) => None,
        });
        all.into_iter().chain(seen).collect()
    }

    fn any(&self, allows: impl Fn(&Scope) -> bool) -> bool {
        self.is_admin() || self.0.iter().any(allows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(texts: &[&str]) -> Scopes {
        Scopes::new(texts.iter().map(|text| text.parse::<Scope>().expect("a scope")))
    }

    fn resource(id: &str) -> ResourceId {
        id.parse().expect("an id")
    }

    #[test]
    fn a_scope_allows_what_it_names_and_nothing_else() {
        let scopes = scopes(&["request:room-*", "read:room-7", "source:crm"]);
        let rights = |id: &str| (scopes.may_request(&resource(id)), scopes.may_read(&resource(id)));
        assert_eq!(rights("room-7"), (true, true));
        assert_eq!(rights("room-8"), (true, false));
        assert_eq!(rights("anna"), (false, false));
        assert!(scopes.may_see_times(&resource("room-8")) && !scopes.may_see_times(&resource("anna")));
        assert!(scopes.speaks_for(&"crm".parse().expect("a name")));
        assert!(!scopes.speaks_for(&"shop".parse().expect("a name")) && !scopes.is_admin());
        assert_eq!(scopes.readable(), [Resources::One(resource("room-7"))]);
        assert_eq!(scopes.visible().len(), 2);
    }

    #[test]
    fn an_administrator_may_do_everything_and_a_key_without_scopes_nothing() {
        let (admin, none) = (scopes(&["admin"]), Scopes::default());
        let (anna, crm) = (resource("anna"), "crm".parse().expect("a name"));
        let all = |scopes: &Scopes| [scopes.may_request(&anna), scopes.may_read(&anna), scopes.speaks_for(&crm)];
        assert_eq!((all(&admin), all(&none)), ([true; 3], [false; 3]));
        assert_eq!(admin.readable(), [Resources::All]);
    }

    #[test]
    fn a_scope_is_written_as_it_is_read() {
        for text in ["admin", "request:*", "request:room-*", "read:anna", "source:crm"] {
            assert_eq!(text.parse::<Scope>().expect("a scope").to_string(), text);
        }
    }

    #[test]
    fn what_is_no_scope_is_refused_with_what_would_be_one() {
        let problem = |text: &str| text.parse::<Scope>().expect_err("no scope").to_string();
        assert!(problem("write:anna").contains("known: admin, request:RESOURCES"));
        assert!(problem("admin:*").contains("known: admin"));
        assert!(problem("read:Anna").starts_with("read: what stands behind it has a character"));
        assert!(problem("request:").starts_with("request: what stands behind it is empty"));
        assert!(problem("source:*").starts_with("source: "));
    }
}
