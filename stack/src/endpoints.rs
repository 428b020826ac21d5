//! Where everything is, for tests as a type and for shells as a file.

use std::fmt;

use crate::{
    env_file,
    error::Error,
    instance::Instance,
    layout::Layout,
    part::{Part, Server, Service},
    ports::Use,
    secrets,
};

/// The addresses of one instance with what it takes to get in. Its `Debug` shows addresses only.
#[derive(Clone)]
pub struct Endpoints {
    /// `host:port` of the broker.
    pub kafka_brokers: String,
    /// The registry's Confluent API.
    pub registry_url: String,
    /// PostgreSQL, once for each role.
    pub postgres: PostgresUrls,
    /// Ingest's public door.
    pub ingest_url: String,
    /// Radicale.
    pub caldav_url: String,
    /// Radicale's only user.
    pub caldav_user: String,
    /// The password of that user.
    pub caldav_password: String,
    /// The webhook receiver.
    pub receiver_url: String,
    /// The signing key of the Calendly source.
    pub calendly_secret: String,
    /// The Standard Webhooks secret of the generic source.
    pub generic_secret: String,
    /// The secret of the source `site`, which is Cal.com.
    pub site_secret: String,
    /// The Standard Webhooks secret that the propagator signs with for the partner.
    pub partner_secret: String,
    /// A key of the API that may do everything.
    pub api_key: String,
    /// The key of the contact ids.
    pub contact_key: String,
    /// The operators' side of each service.
    pub admin: AdminUrls,
    passwords: RolePasswords,
}

/// `postgres://role:password@host:port/daybook` for each role.
#[derive(Clone)]
pub struct PostgresUrls {
    /// The superuser, for tests that must look behind the roles.
    pub superuser: String,
    /// Owns the database and runs the migrations.
    pub owner: String,
    /// The one writer of bookings.
    pub arbiter: String,
    /// Ingest's role.
    pub ingest: String,
    /// The propagator's role.
    pub propagator: String,
    /// Reads everything, writes nothing.
    pub reader: String,
}

/// `http://host:port` with `/metrics`, `/livez` and `/readyz`.
#[derive(Clone, Debug)]
pub struct AdminUrls {
    /// Of ingest.
    pub ingest: String,
    /// Of the normalizer.
    pub normalizer: String,
    /// Of the arbiter.
    pub arbiter: String,
    /// Of the propagator.
    pub propagator: String,
}

#[derive(Clone)]
struct RolePasswords {
    owner: String,
    arbiter: String,
    ingest: String,
    propagator: String,
    reader: String,
}

impl Endpoints {
    pub(crate) fn of(instance: &Instance) -> Endpoints {
        let secrets = &instance.secrets;
        let http = |part: Part, usage| format!("http://127.0.0.1:{}", instance.port(part, usage));
        let admin = |service: Service| http(service.into(), Use::Admin);
        let port = instance.port(Server::Postgres, Use::Main);
        let url = |user: &str, password: &str, db: &str| format!("postgres://{user}:{password}@127.0.0.1:{port}/{db}");
        Endpoints {
            kafka_brokers: format!("127.0.0.1:{}", instance.port(Server::Kafka, Use::Main)),
            registry_url: format!("{}/apis/ccompat/v7", http(Server::Registry.into(), Use::Main)),
            postgres: PostgresUrls {
                superuser: url("postgres", &secrets.postgres_superuser, "daybook"),
                owner: url("daybook_owner", &secrets.postgres_owner, "daybook"),
                arbiter: url("daybook_arbiter", &secrets.postgres_arbiter, "daybook"),
                ingest: url("daybook_ingest", &secrets.postgres_ingest, "daybook"),
                propagator: url("daybook_propagator", &secrets.postgres_propagator, "daybook"),
                reader: url("daybook_reader", &secrets.postgres_reader, "daybook"),
            },
            ingest_url: http(Service::Ingest.into(), Use::Main),
            caldav_url: http(Server::Radicale.into(), Use::Main),
            caldav_user: "daybook".to_owned(),
            caldav_password: secrets.caldav.clone(),
            receiver_url: http(Service::Receiver.into(), Use::Main),
            calendly_secret: secrets.calendly.clone(),
            generic_secret: secrets.generic.clone(),
            site_secret: secrets.site.clone(),
            partner_secret: secrets.partner.clone(),
            api_key: secrets.api_key.clone(),
            contact_key: secrets.contact_key.clone(),
            admin: AdminUrls {
                ingest: admin(Service::Ingest),
                normalizer: admin(Service::Normalizer),
                arbiter: admin(Service::Arbiter),
                propagator: admin(Service::Propagator),
            },
            passwords: RolePasswords {
                owner: secrets.postgres_owner.clone(),
                arbiter: secrets.postgres_arbiter.clone(),
                ingest: secrets.postgres_ingest.clone(),
                propagator: secrets.postgres_propagator.clone(),
                reader: secrets.postgres_reader.clone(),
            },
        }
    }

    /// What the env file exports, for a test that runs a program of its own: the addresses by name, then the
    /// configuration with which the `daybook` command line runs. It connects as the owner of the database, because it is
    /// the operators' tool: it loads resources as well as it shows bookings.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = self.addresses();
        variables.extend(self.command_line());
        variables
    }

    /// What `daybook migrate`, `topics apply` and `schemas apply` run with.
    pub(crate) fn setup_variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = self.command_line();
        let RolePasswords { owner: _, arbiter, ingest, propagator, reader } = &self.passwords;
        variables.extend([
            ("DAYBOOK__MIGRATE__ROLE_PASSWORDS__ARBITER", arbiter.clone()),
            ("DAYBOOK__MIGRATE__ROLE_PASSWORDS__INGEST", ingest.clone()),
            ("DAYBOOK__MIGRATE__ROLE_PASSWORDS__PROPAGATOR", propagator.clone()),
            ("DAYBOOK__MIGRATE__ROLE_PASSWORDS__READER", reader.clone()),
        ]);
        variables
    }

    fn addresses(&self) -> Vec<(&'static str, String)> {
        vec![
            ("DAYBOOK_KAFKA_BROKERS", self.kafka_brokers.clone()),
            ("DAYBOOK_REGISTRY_URL", self.registry_url.clone()),
            ("DAYBOOK_POSTGRES_URL", self.postgres.reader.clone()),
            ("DAYBOOK_POSTGRES_OWNER_URL", self.postgres.owner.clone()),
            ("DAYBOOK_POSTGRES_ARBITER_URL", self.postgres.arbiter.clone()),
            ("DAYBOOK_POSTGRES_INGEST_URL", self.postgres.ingest.clone()),
            ("DAYBOOK_POSTGRES_PROPAGATOR_URL", self.postgres.propagator.clone()),
            ("DAYBOOK_POSTGRES_READER_URL", self.postgres.reader.clone()),
            ("DAYBOOK_INGEST_URL", self.ingest_url.clone()),
            ("DAYBOOK_CALDAV_URL", self.caldav_url.clone()),
            ("DAYBOOK_CALDAV_USER", self.caldav_user.clone()),
            ("DAYBOOK_CALDAV_PASSWORD", self.caldav_password.clone()),
            ("DAYBOOK_RECEIVER_URL", self.receiver_url.clone()),
            ("DAYBOOK_CALENDLY_SECRET", self.calendly_secret.clone()),
            ("DAYBOOK_GENERIC_SECRET", self.generic_secret.clone()),
            ("DAYBOOK_SITE_SECRET", self.site_secret.clone()),
            ("DAYBOOK_PARTNER_SECRET", self.partner_secret.clone()),
            ("DAYBOOK_API_KEY", self.api_key.clone()),
            ("DAYBOOK_CONTACT_KEY", self.contact_key.clone()),
            ("DAYBOOK_INGEST_ADMIN_URL", self.admin.ingest.clone()),
            ("DAYBOOK_NORMALIZER_ADMIN_URL", self.admin.normalizer.clone()),
            ("DAYBOOK_ARBITER_ADMIN_URL", self.admin.arbiter.clone()),
            ("DAYBOOK_PROPAGATOR_ADMIN_URL", self.admin.propagator.clone()),
        ]
    }

    fn command_line(&self) -> Vec<(&'static str, String)> {
        // The password travels by itself, so that a printed URL gives nothing away.
        let url = self.postgres.owner.replace(&format!(":{}@", self.passwords.owner), "@");
        vec![
            ("DAYBOOK__KAFKA__BROKERS", self.kafka_brokers.clone()),
            ("DAYBOOK__REGISTRY__URL", self.registry_url.clone()),
            ("DAYBOOK__POSTGRES__URL", url),
            ("DAYBOOK__POSTGRES__PASSWORD", self.passwords.owner.clone()),
            ("DAYBOOK__NORMALIZER__CONTACT_KEY", self.contact_key.clone()),
            ("DAYBOOK__SOURCES__CALENDLY__KIND", "calendly".to_owned()),
            ("DAYBOOK__SOURCES__GENERIC__KIND", "generic".to_owned()),
            ("DAYBOOK__SOURCES__SITE__KIND", "cal.com".to_owned()),
            // These have topics, and are read only where ingest's settings say how: no vendor of them is here, but for CalDAV.
            ("DAYBOOK__SOURCES__GOOGLE__KIND", "google-calendar".to_owned()),
            ("DAYBOOK__SOURCES__OUTLOOK__KIND", "outlook".to_owned()),
            ("DAYBOOK__SOURCES__FEED__KIND", "ics-feed".to_owned()),
            ("DAYBOOK__SOURCES__LEGACY__KIND", "caldav".to_owned()),
            ("DAYBOOK__SOURCES__OFFICE__KIND", "caldav".to_owned()),
            ("DAYBOOK__SOURCES__ACUITY__KIND", "acuity".to_owned()),
            ("DAYBOOK__SOURCES__CRM__KIND", "hubspot".to_owned()),
        ]
    }

    pub(crate) fn write(&self, layout: &Layout) -> Result<(), Error> {
        let variables = self.variables();
        let text = env_file::render(variables.iter().map(|(name, value)| (*name, value.as_str())));
        let head = format!(
            "# The Daybook stack `{}`, for a shell to source. Local secrets: never commit.\n",
            layout.instance()
        );
        secrets::write_private(&layout.env_file(), &(head + &text))
    }
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoints")
            .field("kafka_brokers", &self.kafka_brokers)
            .field("registry_url", &self.registry_url)
            .field("ingest_url", &self.ingest_url)
            .field("caldav_url", &self.caldav_url)
            .field("receiver_url", &self.receiver_url)
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}
