//! What a file changes: the difference between it and the store. Pure.

use std::collections::{BTreeMap, BTreeSet};

use daybook_ask::Region;
use daybook_domain::Rules;
use daybook_resources::{Definition, Fault, Stored, describe};

use crate::table;

/// What is to change for one resource.
#[derive(Debug)]
pub struct Change<'a> {
    /// What the file says.
    pub definition: &'a Definition,
    /// Whether its rules do.
    pub rules: RulesChange,
    /// The region as it is to be, and as it was; none if it stays.
    region: Option<String>,
    aliases: Vec<String>,
    targets: Vec<String>,
}

/// Whether a resource's rules change. If they do, the arbiter is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RulesChange {
    /// They are as the file says.
    None,
    /// The resource is new.
    New,
    /// They were these.
    From {
        /// The rules in force.
        rules: Rules,
        /// The resource's version under them.
        version: u64,
    },
}

impl Change<'_> {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        let Self { definition: _, rules, region, aliases, targets } = self;
        *rules == RulesChange::None && region.is_none() && aliases.is_empty() && targets.is_empty()
    }
}

/// What the file changes, resource by resource.
pub fn plan<'a>(definitions: &'a [Definition], stored: &BTreeMap<String, Stored>) -> Vec<Change<'a>> {
    definitions.iter().map(|definition| change(definition, stored.get(definition.id.as_str()))).collect()
}

fn change<'a>(definition: &'a Definition, stored: Option<&Stored>) -> Change<'a> {
    let rules = match stored {
        None => RulesChange::New,
        Some(stored) if stored.rules == definition.rules => RulesChange::None,
        Some(stored) => RulesChange::From { rules: stored.rules.clone(), version: stored.version },
    };
    Change {
        definition,
        rules,
        region: region(definition, stored),
        aliases: aliases(definition, stored),
        targets: targets(definition, stored),
    }
}

fn region(definition: &Definition, stored: Option<&Stored>) -> Option<String> {
    let known = stored.and_then(|stored| stored.region.as_deref());
    let wanted = definition.region.as_ref().map(Region::as_str);
    let show = |region: Option<&str>| region.unwrap_or("none").to_owned();
    match stored {
        _ if known == wanted => None,
        None => Some(show(wanted)),
        Some(_) => Some(format!("{} (was {})", show(wanted), show(known))),
    }
}

fn aliases(definition: &Definition, stored: Option<&Stored>) -> Vec<String> {
    let wanted: BTreeSet<(String, String)> =
        definition.aliases.keys().map(|(source, alias)| (source.to_string(), alias.clone())).collect();
    let known = stored.map(|stored| stored.aliases.clone()).unwrap_or_default();
    let show = |mark, (source, alias): &(String, String)| format!("{mark}{source}:{alias}");
    let added = wanted.difference(&known).map(|alias| show('+', alias));
    added.chain(known.difference(&wanted).map(|alias| show('-', alias))).collect()
}

fn targets(definition: &Definition, stored: Option<&Stored>) -> Vec<String> {
    let nothing = BTreeMap::new();
    let known = stored.map_or(&nothing, |stored| &stored.targets);
    let wanted = definition.targets.iter().filter_map(|(target, mirror)| match known.get(target.as_str()) {
        None => Some(format!("+{target}")),
        Some(there) if there != mirror => Some(format!("~{target}")),
        Some(_) => None,
    });
    let gone = known.keys().filter(|target| !definition.targets.keys().any(|wanted| wanted.as_str() == *target));
    wanted.chain(gone.map(|target| format!("-{target}"))).collect()
}

/// Aliases that belong to a resource which the file does not take them from.
pub fn conflicts(definitions: &[Definition], owners: &BTreeMap<(String, String), String>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for definition in definitions {
        for ((source, alias), at) in &definition.aliases {
            let Some(owner) = owners.get(&(source.to_string(), alias.clone())) else { continue };
            // The owner is in the file too, which has given this alias away: the reader saw to that.
            let moves = definitions.iter().any(|other| other.id.as_str() == owner);
            if !moves {
                let problem = format!(
                    "is an alias of {owner} in the store; put {owner} into the file without it, or take it out here"
                );
                faults.push(Fault { at: at.clone(), problem });
            }
        }
    }
    faults
}

/// What changes: a table of the resources, then the rules one by one.
pub fn render(changes: &[Change<'_>]) -> String {
    let rows: Vec<Vec<String>> = changes
        .iter()
        .map(|change| {
            let (rules, same) = match change.rules {
                RulesChange::None => ("as they are", "as it is"),
                RulesChange::New => ("new", "none"),
                RulesChange::From { .. } => ("changed", "as it is"),
            };
            let list = |items: &[String]| if items.is_empty() { same.to_owned() } else { items.join(" ") };
            let id = change.definition.id.to_string();
            let region = change.region.clone().unwrap_or_else(|| same.to_owned());
            vec![id, rules.to_owned(), region, list(&change.targets), list(&change.aliases)]
        })
        .collect();
    let mut text = table::draw(&["resource", "rules", "region", "targets", "aliases"], &rows);
    for change in changes {
        let new = &change.definition.rules;
        let lines = match &change.rules {
            RulesChange::None => continue,
            RulesChange::New => describe::changes(new, None),
            RulesChange::From { rules: old, version: _ } => describe::changes(new, Some(old)),
        };
        text.push_str(&format!("\nrules of {}\n", change.definition.id));
        for (key, value) in lines {
            text.push_str(&format!("  {key:<17} {value}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use daybook_resources::{Mirror, read};
    use expect_test::expect;

    use super::*;

    fn definitions() -> Vec<Definition> {
        let text = r#"
            resources:
              - id: anna
                time_zone: Europe/Berlin
                capacity: 2
                hours: { mon-fri: ["09:00-17:00"], sat: [] }
                region: DE
                aliases: { generic: [anna], calendly: [a@example.com] }
                targets: { calendar: { address: /anna/, fields: [title] }, partner: {} }
              - id: bea
                time_zone: UTC
        "#;
        read(text).expect("sound")
    }

    fn stored() -> BTreeMap<String, Stored> {
        let rules = Rules { replacement_wait: Duration::from_secs(60), ..Rules::new("UTC".to_owned()) };
        let mirror = Mirror { address: "/old/".to_owned(), ..Mirror::default() };
        let alias = |alias: &str| ("generic".to_owned(), alias.to_owned());
        let anna = Stored {
            version: 3,
            rules,
            region: Some("AT".to_owned()),
            aliases: [alias("anna"), alias("ann")].into(),
            targets: [("calendar".to_owned(), mirror.clone()), ("crm".to_owned(), mirror)].into(),
        };
        BTreeMap::from([("anna".to_owned(), anna)])
    }

    #[test]
    fn the_table_names_what_comes_what_goes_and_what_changes() {
        expect![[r#"
            RESOURCE  RULES    REGION       TARGETS                  ALIASES
            anna      changed  DE (was AT)  ~calendar +partner -crm  +calendly:a@example.com -generic:ann
            bea       new      none         none                     none

            rules of anna
              time_zone         Europe/Berlin (was UTC)
              replacement_wait  15m (was 1m)
              capacity          2 (was 1)
              hours             mon-fri 09:00-17:00 (was always)

            rules of bea
              time_zone         UTC
              replacement_wait  15m
              capacity          1
              buffer_before     none
              buffer_after      none
              notice            none
              window            no limit
              hours             always
              retired           no
        "#]]
        .assert_eq(&render(&plan(&definitions(), &stored())));
    }

    #[test]
    fn a_region_that_is_another_or_none_is_a_change_and_the_same_is_not() {
        let of = |wanted: &str, known: Option<&str>| {
            let definitions = read(&format!("resources: [{{id: anna, time_zone: UTC{wanted}}}]")).expect("sound");
            let rules = definitions[0].rules.clone();
            let region = known.map(str::to_owned);
            let stored = Stored { version: 1, rules, region, aliases: BTreeSet::new(), targets: BTreeMap::new() };
            let stored = BTreeMap::from([("anna".to_owned(), stored)]);
            let changes = plan(&definitions, &stored);
            (!changes[0].is_empty()).then(|| changes[0].region.clone().unwrap_or_default())
        };
        assert_eq!(of(", region: DE", Some("DE")), None);
        assert_eq!(of("", None), None);
        assert_eq!(of(", region: DE", None).as_deref(), Some("DE (was none)"));
        assert_eq!(of(", region: DE", Some("AT")).as_deref(), Some("DE (was AT)"));
        assert_eq!(of("", Some("AT")).as_deref(), Some("none (was AT)"));
    }

    #[test]
    fn an_alias_can_be_taken_from_a_resource_of_the_file_and_from_no_other() {
        let alias = ("generic".to_owned(), "anna".to_owned());
        let owned_by = |owner: &str| BTreeMap::from([(alias.clone(), owner.to_owned())]);
        assert_eq!(conflicts(&definitions(), &owned_by("bea")), []);
        assert_eq!(conflicts(&definitions(), &owned_by("anna")), []);
        expect!["resources[0].aliases.generic[0]: is an alias of room-7 in the store; put room-7 into the file without it, or take it out here"]
            .assert_eq(&conflicts(&definitions(), &owned_by("room-7"))[0].to_string());
    }
}
