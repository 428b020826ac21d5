//! Apicurio Registry, with its storage in a file: messages carry the registry's ids, so they must mean the same after a
//! restart.

use std::collections::BTreeMap;

use crate::{
    error::Error,
    http,
    install::{java, registry_home},
    instance::Instance,
    part::Server,
    ports::Use,
    process::Launch,
};

pub(super) fn launch(instance: &Instance) -> Result<Launch, Error> {
    let (directory, jar) = registry_home(&instance.layout);
    let database = instance.layout.data().join("registry");
    let args = vec![
        "-Xmx256m".to_owned(),
        // Start-up is most of what this process ever does here; the second compiler only delays it.
        "-XX:TieredStopAtLevel=1".to_owned(),
        "-XX:+UseSerialGC".to_owned(),
        "-Dquarkus.http.host=127.0.0.1".to_owned(),
        format!("-Dquarkus.http.port={}", instance.port(Server::Registry, Use::Main)),
        // H2 writes half a second late by default; a killed registry would forget ids that are already in messages.
        format!("-Dquarkus.datasource.jdbc.url=jdbc:h2:file:{};WRITE_DELAY=0", database.display()),
        "-jar".to_owned(),
        jar,
    ];
    Ok(Launch { program: java()?, args, env: BTreeMap::new(), directory, files: Vec::new() })
}

pub(super) fn probe(instance: &Instance) -> Result<(), String> {
    http::expect_ok(instance.port(Server::Registry, Use::Main), "/apis/ccompat/v7/subjects")
}
