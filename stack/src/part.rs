//! The names of everything that runs: the servers we did not write, and the services we did.

use std::{fmt, str::FromStr};

use crate::error::Error;

/// A server that Daybook stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Server {
    /// Apache Kafka, one node in KRaft mode.
    Kafka,
    /// Apicurio, spoken to by its Confluent API.
    Registry,
    /// PostgreSQL, the canonical store.
    Postgres,
    /// Radicale, the CalDAV calendar that stands for every mirrored calendar.
    Radicale,
}

/// A process built from this workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// `daybook-ingest`.
    Ingest,
    /// `daybook-normalizer`.
    Normalizer,
    /// `daybook-arbiter`.
    Arbiter,
    /// `daybook-propagator`.
    Propagator,
    /// `webhook-receiver`, which stands for every partner's endpoint.
    Receiver,
}

/// One process of the stack. A service may run several times: replica 1 is the one `up` starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A server.
    Server(Server),
    /// A service and which replica of it.
    Service(Service, u8),
}

impl Server {
    /// All of them, in the order in which a table reads well.
    pub const ALL: [Server; 4] = [Server::Kafka, Server::Registry, Server::Postgres, Server::Radicale];

    /// Its name in files, tables and compose.
    pub const fn name(self) -> &'static str {
        match self {
            Server::Kafka => "kafka",
            Server::Registry => "registry",
            Server::Postgres => "postgres",
            Server::Radicale => "radicale",
        }
    }
}

impl Service {
    /// All of them, in the order of the flow.
    pub const ALL: [Service; 5] =
        [Service::Ingest, Service::Normalizer, Service::Arbiter, Service::Propagator, Service::Receiver];

    /// Its name in files, tables and compose.
    pub const fn name(self) -> &'static str {
        match self {
            Service::Ingest => "ingest",
            Service::Normalizer => "normalizer",
            Service::Arbiter => "arbiter",
            Service::Propagator => "propagator",
            Service::Receiver => "receiver",
        }
    }

    /// The name of its binary.
    pub const fn binary(self) -> &'static str {
        match self {
            Service::Ingest => "daybook-ingest",
            Service::Normalizer => "daybook-normalizer",
            Service::Arbiter => "daybook-arbiter",
            Service::Propagator => "daybook-propagator",
            Service::Receiver => "webhook-receiver",
        }
    }
}

impl Part {
    /// Every part that `up` starts.
    pub fn all() -> Vec<Part> {
        let services = Service::ALL.into_iter().map(|service| Part::Service(service, 1));
        Server::ALL.into_iter().map(Part::Server).chain(services).collect()
    }

    /// Parts are stopped wave by wave, lowest first: a service drains into the servers and the receiver, so those go last.
    pub(crate) const fn stop_wave(self) -> u8 {
        match self {
            Part::Service(Service::Receiver, _) => 1,
            Part::Service(Service::Ingest | Service::Normalizer | Service::Arbiter | Service::Propagator, _) => 0,
            Part::Server(_) => 2,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Server(server) => f.pad(server.name()),
            Part::Service(service, 1) => f.pad(service.name()),
            Part::Service(service, replica) => f.pad(&format!("{}-{replica}", service.name())),
        }
    }
}

impl FromStr for Part {
    type Err = Error;

    fn from_str(name: &str) -> Result<Part, Error> {
        let (base, replica) = match name.rsplit_once('-') {
            Some((base, digits)) => (base, digits.parse::<u8>().ok().filter(|replica| *replica > 1)),
            None => (name, Some(1)),
        };
        let server = Server::ALL.into_iter().find(|server| server.name() == name).map(Part::Server);
        let service = Service::ALL.into_iter().find(|service| service.name() == base);
        server.or_else(|| Some(Part::Service(service?, replica?))).ok_or_else(|| Error::UnknownPart {
            name: name.to_owned(),
            known: Part::all().iter().map(Part::to_string).collect::<Vec<_>>().join(", "),
        })
    }
}

impl From<Server> for Part {
    fn from(server: Server) -> Part {
        Part::Server(server)
    }
}

impl From<Service> for Part {
    fn from(service: Service) -> Part {
        Part::Service(service, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_found_again_by_its_name() {
        let replica = Part::Service(Service::Arbiter, 3);
        for part in Part::all().into_iter().chain([replica]) {
            assert_eq!(part.to_string().parse::<Part>().expect("its own name"), part);
        }
        assert_eq!(replica.to_string(), "arbiter-3");
    }

    #[test]
    fn a_name_that_is_no_part_is_refused_with_the_list() {
        for name in ["", "kafka-2", "arbiter-0", "arbiter-1", "arbiter-x", "zookeeper"] {
            let error = name.parse::<Part>().expect_err(name).to_string();
            assert!(error.contains("kafka, registry"), "{error}");
        }
    }

    #[test]
    fn services_stop_before_the_servers_they_drain_into() {
        assert!(Part::from(Service::Propagator).stop_wave() < Part::from(Service::Receiver).stop_wave());
        assert!(Part::from(Service::Receiver).stop_wave() < Part::from(Server::Kafka).stop_wave());
    }
}
