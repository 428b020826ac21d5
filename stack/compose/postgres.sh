#!/bin/sh
# Once, on an empty volume: the database and its owner, who makes everything else by `daybook migrate`, and the
# registry's own database. The owner is no superuser.
set -eu
psql -v ON_ERROR_STOP=1 -U postgres -d postgres <<SQL
CREATE ROLE daybook_owner LOGIN CREATEROLE PASSWORD '${DAYBOOK_POSTGRES_OWNER_PASSWORD:?}';
CREATE DATABASE daybook OWNER daybook_owner;
CREATE ROLE registry LOGIN PASSWORD '${DAYBOOK_POSTGRES_REGISTRY_PASSWORD:?}';
CREATE DATABASE registry OWNER registry;
SQL
