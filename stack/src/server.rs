//! The four servers, one file each: what must be there before the first start, what is started, and the question whose
//! answer proves that it serves.

mod kafka;
mod postgres;
mod radicale;
mod registry;

use std::path::PathBuf;

use crate::{error::Error, instance::Instance, layout::Layout, part::Server, process::Launch};

/// Where a server keeps what it must not forget.
pub(crate) fn data(server: Server, layout: &Layout) -> PathBuf {
    layout.data().join(server.name())
}

/// Where a copy of that lies; it goes with the instance.
pub(crate) fn copy(server: Server, layout: &Layout, name: &str) -> PathBuf {
    layout.data().join(format!("{}.{name}", server.name()))
}

/// Makes the server's data if there is none yet.
pub(crate) fn prepare(server: Server, instance: &Instance) -> Result<(), Error> {
    match server {
        Server::Kafka => kafka::format_storage(instance),
        Server::Postgres => postgres::make_cluster(instance),
        Server::Registry | Server::Radicale => Ok(()),
    }
}

/// Removes what a killed predecessor left in the way. Only for a server that does not run.
pub(crate) fn clear_way(server: Server, instance: &Instance) -> Result<(), Error> {
    match server {
        Server::Postgres => postgres::bury_predecessor(instance),
        Server::Kafka | Server::Registry | Server::Radicale => Ok(()),
    }
}

/// What is started.
pub(crate) fn launch(server: Server, instance: &Instance) -> Result<Launch, Error> {
    match server {
        Server::Kafka => kafka::launch(instance),
        Server::Registry => registry::launch(instance),
        Server::Postgres => postgres::launch(instance),
        Server::Radicale => Ok(radicale::launch(instance)),
    }
}

/// Whether it serves; the error says what is amiss.
pub(crate) fn probe(server: Server, instance: &Instance) -> Result<(), String> {
    match server {
        Server::Kafka => kafka::probe(instance),
        Server::Registry => registry::probe(instance),
        Server::Postgres => postgres::probe(instance),
        Server::Radicale => radicale::probe(instance),
    }
}

/// What must be done once it serves, before anybody uses it. Safe to repeat.
pub(crate) fn introduce(server: Server, instance: &Instance) -> Result<(), Error> {
    match server {
        Server::Postgres => postgres::make_owner(instance),
        Server::Kafka | Server::Registry | Server::Radicale => Ok(()),
    }
}
