//! Our own processes: the configuration file and the directory of secrets that each gets, and its readiness page.
//!
//! Nothing here repeats a default: a file holds only what this instance decides, which is addresses.

use std::{collections::BTreeMap, path::Path};

use crate::{
    error::Error,
    http,
    instance::Instance,
    part::{Part, Server, Service},
    ports::Use,
    process::Launch,
};

/// What is started. `extra` are variables that a test sets on top.
pub(crate) fn launch(
    service: Service,
    replica: u8,
    instance: &Instance,
    bin_dir: &Path,
    extra: &BTreeMap<String, String>,
) -> Result<Launch, Error> {
    let program = bin_dir.join(service.binary());
    if !program.exists() {
        return Err(Error::NoBinary { path: program });
    }
    let part = Part::Service(service, replica);
    let secrets = secrets(service, instance);
    let mut env = BTreeMap::new();
    let (args, files) = match service {
        Service::Receiver => {
            env.extend(secrets);
            env.insert("DAYBOOK_RECEIVER_LISTEN".to_owned(), listen(instance, part, Use::Main));
            (Vec::new(), Vec::new())
        }
        Service::Ingest | Service::Normalizer | Service::Arbiter | Service::Propagator => {
            let file = instance.layout.run().join(format!("{part}.toml"));
            let directory = instance.layout.secrets(part);
            let args = ["--config", &file.display().to_string(), "--secrets", &directory.display().to_string()];
            let secrets = secrets.into_iter().map(|(name, secret)| (directory.join(name), secret));
            let files = std::iter::once((file, config(service, part, instance))).chain(secrets).collect();
            (args.map(str::to_owned).to_vec(), files)
        }
    };
    env.extend(extra.clone());
    Ok(Launch { program, args, env, directory: instance.layout.home().to_owned(), files })
}

/// Whether it does its work; the error repeats what the service says of itself.
pub(crate) fn probe(service: Service, replica: u8, instance: &Instance) -> Result<(), String> {
    let part = Part::Service(service, replica);
    match service {
        Service::Receiver => http::expect_ok(instance.port(part, Use::Main), "/healthz"),
        Service::Ingest | Service::Normalizer | Service::Arbiter | Service::Propagator => {
            http::expect_ok(instance.port(part, Use::Admin), "/readyz")
        }
    }
}

fn config(service: Service, part: Part, instance: &Instance) -> String {
    let endpoints = instance.endpoints();
    let postgres = instance.port(Server::Postgres, Use::Main);
    let role = role(service);
    let stores = match service {
        Service::Receiver => String::new(),
        Service::Ingest | Service::Normalizer | Service::Arbiter | Service::Propagator => format!(
            "\n[registry]\nurl = \"{}\"\n\n[postgres]\nurl = \"postgres://{role}@127.0.0.1:{postgres}/daybook\"\n",
            endpoints.registry_url
        ),
    };
    let mut text = format!(
        r#"# Written by the stack for this instance at every start; its secrets are in the directory beside it.
[kafka]
brokers = "{}"
{stores}
[admin]
listen = "{}"

[log]
format = "json"
filter = "info"
"#,
        endpoints.kafka_brokers,
        listen(instance, part, Use::Admin),
    );
    text.push_str(&match service {
        Service::Ingest => format!(
            r#"
[ingest]
listen = "{}"

[sources.calendly]
kind = "calendly"

[sources.generic]
kind = "generic"

[sources.site]
kind = "cal.com"

# Its calendars are those of resources that have an alias of this source.
[sources.legacy]
kind = "caldav"

[sources.legacy.api]
base = "{}"
username = "{}"
"#,
            listen(instance, part, Use::Main),
            endpoints.caldav_url,
            endpoints.caldav_user
        ),
        Service::Normalizer => r#"
[sources.calendly]
kind = "calendly"

[sources.generic]
kind = "generic"

[sources.site]
kind = "cal.com"

[sources.google]
kind = "google-calendar"

[sources.outlook]
kind = "outlook"

[sources.legacy]
kind = "caldav"

[sources.office]
kind = "caldav"

[sources.feed]
kind = "ics-feed"

[sources.acuity]
kind = "acuity"

[sources.crm]
kind = "hubspot"
"#
        .to_owned(),
        Service::Propagator => format!(
            r#"
[targets.calendar]
kind = "caldav"
base_url = "{}"
username = "{}"

[targets.partner]
kind = "webhook"
url = "{}/hook"
# The receiver listens on loopback, which a target outside a developer's machine may not.
allow_private = true
"#,
            endpoints.caldav_url, endpoints.caldav_user, endpoints.receiver_url
        ),
        Service::Arbiter | Service::Receiver => String::new(),
    });
    text
}

fn secrets(service: Service, instance: &Instance) -> BTreeMap<String, String> {
    let secrets = &instance.secrets;
    let list = |secret: &str| format!("[\"{secret}\"]");
    let password = |password: &str| ("DAYBOOK__POSTGRES__PASSWORD", password.to_owned());
    let variables = match service {
        Service::Ingest => vec![
            password(&secrets.postgres_ingest),
            ("DAYBOOK__SOURCES__CALENDLY__SECRETS", list(&secrets.calendly)),
            ("DAYBOOK__SOURCES__GENERIC__SECRETS", list(&secrets.generic)),
            ("DAYBOOK__SOURCES__SITE__SECRETS", list(&secrets.site)),
            ("DAYBOOK__SOURCES__LEGACY__API__PASSWORD", secrets.caldav.clone()),
        ],
        Service::Normalizer => {
            vec![password(&secrets.postgres_reader), ("DAYBOOK__NORMALIZER__CONTACT_KEY", secrets.contact_key.clone())]
        }
        Service::Arbiter => vec![password(&secrets.postgres_arbiter)],
        Service::Propagator => vec![
            password(&secrets.postgres_propagator),
            ("DAYBOOK__TARGETS__CALENDAR__PASSWORD", secrets.caldav.clone()),
            ("DAYBOOK__TARGETS__PARTNER__SECRETS", list(&secrets.partner)),
        ],
        Service::Receiver => vec![("DAYBOOK_RECEIVER_SECRET", secrets.partner.clone())],
    };
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The database role that a service connects as.
const fn role(service: Service) -> &'static str {
    match service {
        Service::Ingest => "daybook_ingest",
        Service::Arbiter => "daybook_arbiter",
        Service::Propagator => "daybook_propagator",
        Service::Normalizer | Service::Receiver => "daybook_reader",
    }
}

fn listen(instance: &Instance, part: Part, usage: Use) -> String {
    format!("127.0.0.1:{}", instance.port(part, usage))
}
